//! Rebuilds the crate when the embedded definitions change.

fn main() {
    println!("cargo::rerun-if-changed=../../datasets/forms");
}
