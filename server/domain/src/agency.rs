//! Agencies: what an organisation is within one municipality.

use crate::code::coded;

coded! {
    /// Class of an agency. The finer kind (地域包括支援センター, 学校 …) is the option list
    /// `org_type`; rights follow the class and the membership of a case, never the kind.
    pub enum AgencyClass {
        /// 多機関協働事業者: owns cases.
        Coordinator = "coordinator", "多機関協働事業者";
        /// 市町村所管課: hosts 支援会議, makes the 支援決定.
        Department = "department", "市町村所管課";
        /// 支援関係機関: sees what is disclosed to it.
        Agency = "agency", "支援関係機関";
    }
}
