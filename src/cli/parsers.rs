//! Every parser of what people write, for `tests/fuzz`, which tries them from outside: they are this program's, not
//! the crate's, and nobody else is promised them. Knows no option.

pub use super::calendar::Calendar;
pub use super::load::{Rate, Sizes};
pub use super::options::{LogLevel, PenaltyRule, ProtocolName};
pub use super::target::{ListenTarget, Target};
pub use super::units::{Cidr, Count, ListenAddress, OrOff, Size, Span};

use super::{Failure, ban_file};
use crate::relay::{AddressKey, Ban, BanList};

/// The bans in a file's text.
pub fn bans(text: &str, calendar: &Calendar) -> Result<Vec<(AddressKey, Ban)>, Failure> {
    ban_file::parse(text.into(), calendar).map_err(Failure::failed)
}

/// The text of a file with these bans.
pub fn text_of_bans(list: &BanList, calendar: &Calendar) -> Vec<u8> {
    ban_file::render(list, calendar)
}
