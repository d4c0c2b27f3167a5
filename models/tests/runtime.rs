//! A wrong library path, alone in its process: the first load decides.

use models::{Assets, Error, Runtime};

#[test]
fn a_missing_library_is_an_error_and_the_right_one_loads_afterwards() {
    let missing = std::path::Path::new("/nonexistent/libonnxruntime.so");
    assert!(matches!(Runtime::init(missing), Err(Error::Runtime(_))));
    let assets = Assets::locate(None).expect("run `make setup` first");
    let library = assets.onnxruntime().expect("run `make setup` first");
    Runtime::init(&library).expect("the real library loads");
    // Loaded once: a later path is not looked at.
    Runtime::init(missing).expect("the environment is already there");
}
