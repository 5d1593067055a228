//! Writes the committed tables: facts about Kubernetes from its own published documents and Go types.
//!
//! Two sources, both resolved by module name and version: the module `k8s.io/kubernetes` carries the OpenAPI v3
//! and discovery documents of every built-in group; the wrapper module `tests/kube-assets/schema` reflects over
//! the Go types for what no document says (protobuf numbers, pointer or value, what is omitted when empty). Only
//! facts are taken, never upstream's descriptions. Where both sources tell of the same field they must agree.
//! The same inputs give the same bytes, so [`run`] with `check` is the freshness test.

mod catalog;
mod go;
mod openapi;
mod table;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

/// The pinned Kubernetes release; `tests/kube-assets/schema/go.mod` pins the matching library modules.
const KUBERNETES: &str = "v1.36.3";

/// The schema table, below the workspace root.
const TABLE: &str = "federation-api/machinery/src/gen/kubernetes.txt";

/// The protobuf test vectors, below the workspace root.
const VECTORS: &str = "federation-api/machinery/src/gen/protobuf-vectors.txt";

/// The Go module with the generator, below the workspace root.
const GENERATOR: &str = "tests/kube-assets/schema";

/// Writes the committed tables, or with `check` tells whether they are what would be written.
///
/// # Errors
/// When Go or the modules are not there, when the sources contradict each other, or when a checked table is stale.
pub(crate) fn run(check: bool) -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the workspace")?;
    let kubernetes = module(&format!("k8s.io/kubernetes@{KUBERNETES}"))?;
    let facts = go::read(&generate(root, "facts")?)?;
    let documents = openapi::read(&kubernetes.join("api/openapi-spec/v3"))?;
    let catalog = catalog::read(&kubernetes.join("api/discovery"))?;
    let table = table::write(KUBERNETES, &documents, &facts, &catalog)?;
    settle(&root.join(TABLE), &table, check)?;
    settle(&root.join(VECTORS), &generate(root, "vectors")?, check)
}

/// Writes `wanted` to a file, or checks that it is there.
fn settle(path: &Path, wanted: &str, check: bool) -> anyhow::Result<()> {
    if !check {
        println!("codegen: write {} ({} bytes)", path.display(), wanted.len());
        return std::fs::write(path, wanted).with_context(|| format!("write {}", path.display()));
    }
    let found = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    if found != wanted {
        bail!("{} is stale: run `cargo xtask codegen` and commit the result", path.display());
    }
    println!("codegen: {} is fresh", path.display());
    Ok(())
}

/// Finds the folder of a Go module, downloading it when needed.
fn module(name: &str) -> anyhow::Result<PathBuf> {
    let answer = output(Command::new("go").args(["mod", "download", "-json", name]))?;
    let answer: serde_json::Value = serde_json::from_str(&answer).context("read what go says of a module")?;
    let folder = answer.get("Dir").and_then(serde_json::Value::as_str);
    folder.map(PathBuf::from).with_context(|| format!("go knows no folder for {name}"))
}

/// Runs the Go generator.
fn generate(root: &Path, what: &str) -> anyhow::Result<String> {
    output(Command::new("go").args(["run", ".", what]).current_dir(root.join(GENERATOR)))
}

/// Runs a command and answers what it wrote.
fn output(command: &mut Command) -> anyhow::Result<String> {
    let done = command.output().with_context(|| format!("run {command:?}"))?;
    if !done.status.success() {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&done.stderr).trim());
    }
    String::from_utf8(done.stdout).with_context(|| format!("read the output of {command:?}"))
}
