//! The law: what each offence costs. Knows no peer and keeps no score.

use thiserror::Error;

use crate::protocol::{Offence, Penalty, Protocol};

/// One penalty for each offence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Law {
    penalties: [Penalty; Offence::ALL.len()],
}

/// A penalty that makes no sense for its offence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{offence} may be {}", allowed_names(*offence))]
pub struct NotAllowed {
    offence: Offence,
}

impl Law {
    /// As the protocol has it.
    pub fn of<P: Protocol>() -> Self {
        Self { penalties: Offence::ALL.map(P::default_penalty) }
    }

    /// The operator has it otherwise.
    pub fn set(&mut self, offence: Offence, penalty: Penalty) -> Result<(), NotAllowed> {
        if !allowed(offence).contains(&penalty) {
            return Err(NotAllowed { offence });
        }
        self.penalties[offence as usize] = penalty;
        Ok(())
    }

    /// What `offence` costs.
    pub fn penalty(&self, offence: Offence) -> Penalty {
        self.penalties[offence as usize]
    }
}

/// What an offence may cost. A stream that has lost its frames cannot go on, whatever the operator says.
pub const fn allowed(offence: Offence) -> &'static [Penalty] {
    use Penalty::{Ban, Disconnect, Drop, Pause};
    match offence {
        Offence::Magic | Offence::Oversize => &[Disconnect, Ban],
        Offence::Command | Offence::Checksum | Offence::Protocol => &[Drop, Disconnect, Ban],
        Offence::Flood => &[Pause, Drop, Disconnect, Ban],
    }
}

fn allowed_names(offence: Offence) -> String {
    let names: Vec<&str> = allowed(offence).iter().map(|penalty| penalty.name()).collect();
    names.join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Flood;

    #[test]
    fn the_table_is_the_one_of_the_plan() {
        let law = Law::of::<Flood>();
        let row =
            |offence: Offence| format!("{offence} {} of {}", law.penalty(offence), allowed_names(offence));
        let rows: Vec<String> = Offence::ALL.into_iter().map(row).collect();
        assert_eq!(
            rows,
            [
                "magic ban of disconnect or ban",
                "oversize ban of disconnect or ban",
                "command ban of drop or disconnect or ban",
                "checksum ban of drop or disconnect or ban",
                "flood pause of pause or drop or disconnect or ban",
                "protocol ban of drop or disconnect or ban",
            ]
        );
    }

    #[test]
    fn only_what_makes_sense_can_be_set() {
        let mut law = Law::of::<Flood>();
        for offence in Offence::ALL {
            for penalty in Penalty::ALL {
                assert_eq!(law.set(offence, penalty).is_ok(), allowed(offence).contains(&penalty));
            }
        }
        assert_eq!(
            law.set(Offence::Magic, Penalty::Drop).unwrap_err().to_string(),
            "magic may be disconnect or ban"
        );
    }
}
