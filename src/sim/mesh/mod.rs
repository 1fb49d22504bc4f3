//! Relays that dial each other, in a world of their own: each the real [`Server`](crate::server::Server) on a host of
//! its own, with peers that say and hear; ways between them that are cut and healed, relays that are killed and
//! started again. Knows everything the other worlds know.
//!
//! | room | has |
//! |---|---|
//! | `setup`, `topology` | what a mesh is to be, drawn from its seed |
//! | `world`, `course` | what happens when, and in which act |
//! | `house` | one relay's host: what runs there, and its judge |
//! | `ways`, `carrying` | connections between hosts, and what goes over them |
//! | `troubles` | what is cut, killed, healed and started again |
//! | `leaves` | those who say and hear |
//! | `ledger` | whether everybody heard what was said, once |

mod builder;
mod canaries;
mod carrying;
mod course;
mod house;
mod leaves;
mod ledger;
mod outcome;
mod setup;
mod topology;
mod troubles;
mod ways;
mod world;

pub use builder::{Builder, Real};
pub use outcome::{Happened, MeshOutcome};
pub use setup::{DialPart, LeafPart, Manner, MeshEnding, MeshSetup, RelayPart, Trouble};
pub use topology::Topology;
pub use world::Mesh;
