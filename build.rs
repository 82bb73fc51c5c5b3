//! The messages of `proto/` compiled to Rust, without a `protoc` installed.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("proto");
    println!("cargo::rerun-if-changed={}", root.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(root.join("callpulse/v1"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    files.sort();
    let mut described = protox::compile(files, [root])?;
    // Maps of records become lists of the entries that they are on the wire: those keep their order, and equal
    // records are equal bytes.
    for file in described.file.iter_mut().filter(|file| file.name().ends_with("/kpi.proto")) {
        // Comments are told by place, and entries have none.
        file.source_code_info = None;
        for part in file.message_type.iter_mut().flat_map(|message| &mut message.nested_type) {
            part.options = None;
            part.nested_type.iter_mut().for_each(|entry| entry.options = None);
        }
    }
    prost_build::Config::new().compile_fds(described)?;
    Ok(())
}
