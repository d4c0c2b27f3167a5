//! Counts by written definitions, and the charts drawn from them. Data in, data out: the caller
//! brings the facts (already cut down to what the reader may count) and the option lists.

mod chart;
mod month;
mod table;

pub use chart::{Chart, ChartKind, Error, FONT_FAMILY, Fonts, Format, MonthLabel, draw};
pub use month::{Month, Period, PeriodError};
pub use table::{
    By, CaseFact, Category, Definition, Row, Table, UNRECORDED, count_new_consultations,
};
