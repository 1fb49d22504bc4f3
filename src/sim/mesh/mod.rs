//! Relays that dial each other, in a world of their own: each the real [`Server`](crate::server::Server) on a host of
//! its own, with peers that say and hear; ways between them that are cut and healed, relays that are killed and
//! started again. Knows everything the other worlds know.
//!
//! | room | has |
//! |---|---|
//! | `setup`, `topology` | what a mesh is to be, drawn from its seed |
//! | `world`, `course` | what happens when, and in which act |
//! | `carrying` | what goes over connections between hosts |
//! | `troubles` | what is cut, killed, healed and started again |
//! | `leaves` | those who say and hear |
//! | `ledger` | whether everybody heard what was said, once |

mod builder;
mod canaries;
mod carrying;
mod course;
mod leaves;
mod ledger;
mod outcome;
mod setup;
mod topology;
mod troubles;
mod world;

pub use builder::{Builder, Real};
pub use outcome::{Happened, MeshOutcome};
pub use setup::{DialPart, LeafPart, MeshEnding, MeshSetup, RelayPart, Trouble};
pub use topology::Topology;
pub use world::Mesh;
