//! Types and rules of the field: identifiers, time, 和暦, form definitions, consent and the
//! disclosure policy. No input or output, no async runtime.

pub mod agency;
pub mod clock;
pub mod code;
pub mod consent;
pub mod course;
pub mod disclosure;
pub mod disclosure_preset;
pub mod erasure;
pub mod form;
pub mod household;
pub mod id;
pub mod kinship;
pub mod legal_basis;
pub mod likeness;
pub mod mask;
pub mod my_number;
pub mod offset;
pub mod process;
pub mod progress_template;
pub mod request;
pub mod role;
pub mod section;
pub mod stage;
pub mod wareki;
