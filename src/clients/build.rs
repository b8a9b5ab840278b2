// Generates the C++ half of the bridge without compiling it: CMake compiles it with the project's flags.
fn main() {
    let _ = cxx_build::bridge("src/bridge.rs");
    println!("cargo:rerun-if-changed=src/bridge.rs");
}
