//! Relays that are neighbours of networks that speak JSON, in a world of their own: each the real
//! [`Server`](crate::server::Server) with all its dialects, dialling others, among honest nodes and liars. Knows
//! everything the other worlds know.
//!
//! | room | has |
//! |---|---|
//! | `setup`, `roles` | what a town is to be, drawn from its seed, and who may come |
//! | `world`, `course` | what happens when, and in which act |
//! | `carrying` | what goes from host to host, what is cut and killed |
//! | `warden` | who watches one relay |
//! | `folk`, `person`, `people` | whoever is no relay: connections, what each knows, what each does |
//! | `coin`, `mint` | Bunkercoin's items, forged apart from the relay; which of them are right |
//! | `chain`, `node`, `lies` | one conversation, what a full node believes, what liars say |
//! | `clarke`, `customers` | one conversation at a JSON port, and what people do there |
//! | `web`, `visitors` | one conversation at an HTTP port, and what people do there |
//! | `room` | frames and lines in the same loop |
//! | `accounts` | whether everybody was told, and finds, what is promised |

mod accounts;
mod builder;
mod canaries;
mod carrying;
mod chain;
mod clarke;
pub(super) mod coin;
mod course;
mod customers;
mod folk;
mod lies;
mod mint;
mod node;
mod outcome;
mod people;
mod person;
mod roles;
mod room;
mod setup;
mod visitors;
mod warden;
mod web;
mod world;

pub use builder::{Estate, Plan, RealTown, TownBuilder};
pub use lies::Lie;
pub use outcome::{Chance, TownOutcome};
pub use roles::Citizen;
pub use setup::{PersonPart, TownEnding, TownSetup};
pub use world::Town;
