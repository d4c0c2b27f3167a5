//! Households of the register (世帯).

use crate::code::coded;

coded! {
    /// Which household: what the 住民票 says, or who really lives together. They may differ.
    pub enum HouseholdKind {
        Registered = "registered", "住民票世帯";
        Actual = "actual", "実世帯";
    }
}
