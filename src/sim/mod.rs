//! A whole world on one seed: the real [`Server`](crate::server::Server), its loop included, among peers of every
//! kind, over every kind of way, with everything going wrong that can. Knows the server and the load tester; knows
//! no kernel, no clock and no chance but its seed.
//!
//! | room | has |
//! |---|---|
//! | `setup` | what a world is to be, drawn from its seed |
//! | `world`, `agenda` | what happens when, and in which act |
//! | `roles`, `crowd` | who comes, what each does there, and who does it for them |
//! | `stack`, `packet`, `faults` | TCP as one host has it, and what goes wrong there |
//! | `link`, `profile` | the ways between hosts |
//! | `house`, `ways` | one of several relays' hosts, and connections between them |
//! | `mesh` | worlds of several relays that dial each other |
//! | `town` | worlds of several relays among nodes of networks that speak JSON |
//! | `radio` | one node behind a short-wave link, and how long what takes there |
//! | `judge` | what should have come of it, worked out anew, and whether it has |
//! | `figures`, `outcome`, `trace` | what is told of it |

mod agenda;
mod broken;
mod canaries;
mod crowd;
mod faults;
mod figures;
mod house;
mod journal;
mod judge;
mod link;
mod mesh;
mod outcome;
mod packet;
mod profile;
mod radio;
mod roles;
mod setup;
mod stack;
mod subject;
mod town;
mod trace;
mod ways;
mod world;

pub use broken::{Broken, Promise};
pub use faults::{Chances, Fault, Faults};
pub use figures::{Figures, Stretch};
pub use judge::Mixed;
pub use link::Troubles;
pub use mesh::{Builder, Happened, Mesh, MeshOutcome, Real, Topology};
pub use mesh::{DialPart, LeafPart, MeshEnding, MeshSetup, RelayPart, Trouble};
pub use outcome::Outcome;
pub use packet::{Conn, Packet, What};
pub use profile::{Profile, UnknownProfile};
pub use radio::{AirTime, Cargo};
pub use roles::Role;
pub use setup::{Ending, LoadPart, Part, Penalties, Setup, Wishes};
pub use stack::{SimStack, SimStream};
pub use town::{Chance, Citizen, Lie, RealTown, Town, TownBuilder, TownOutcome};
pub use town::{Estate, PersonPart, Plan, TownEnding, TownSetup};
pub use trace::Trace;
pub use ways::Manner;
pub use world::World;
