//! People, agencies and their ties → positions, a drawing list, SVG and PNG. The browser paints
//! the same drawing list that files are written from, so a print looks like the screen.
//!
//! **Invariant:** the same network gives the same picture. No randomness, no clock, no hash order.
//! **Invariant:** a node that has a position keeps it; only nodes without one are placed.

mod drawing;
mod family;
mod household;
mod layout;
mod model;
mod names;
mod png_writer;
mod svg;

pub use drawing::{Drawing, Item, Options, draw};
pub use layout::{Layout, Position, layout};
pub use model::{Family, Household, Network, Node, NodeKind, Sector, Tie};
pub use png_writer::{Fonts, PngError, to_png};
pub use svg::to_svg;
