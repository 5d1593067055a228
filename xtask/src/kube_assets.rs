//! The real Kubernetes binaries that tests and benchmarks run against.
//!
//! They are built from the Go module registry through the wrapper modules of `tests/kube-assets`, once: a
//! binary lives in a cache folder that is named after a hash of all that goes into it, so a changed pin builds
//! anew and an unchanged one never does. `target/kube-assets` then holds one link per binary; tests look
//! there and nowhere else. `KUBEBUILDER_ASSETS` names a folder whose kube-apiserver, etcd and kubectl are
//! used instead; `KOINON_KUBE_ASSETS_CACHE` moves the cache.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail};
use sha2::{Digest, Sha256};

use crate::workspace::{Workspace, run};

/// Kubernetes as pinned in `tests/kube-assets/kubernetes/go.mod`; binaries say this version.
const KUBERNETES: Version = Version { major: 1, minor: 36, patch: 3 };
/// The client that is behind its servers, as pinned in `tests/kube-assets/kubectl-older/go.mod`.
const KUBECTL_OLDER: Version = Version { major: 1, minor: 32, patch: 9 };
/// How many builds of one module stay in the cache: the one in use and two branches beside it.
const BUILDS_KEPT_MAX: usize = 3;

struct Version {
    major: u32,
    minor: u32,
    patch: u32,
}

/// A wrapper module and what is made from it.
struct Module {
    folder: &'static str,
    version: Option<Version>,
    assets: &'static [Asset],
}

/// One file that tests use.
struct Asset {
    /// Its name in `target/kube-assets`.
    name: &'static str,
    recipe: Recipe,
}

enum Recipe {
    /// A program, from this Go package.
    Build(&'static str),
    /// What the program of this Go package prints.
    Print(&'static str),
}

const fn build(name: &'static str, package: &'static str) -> Asset {
    Asset { name, recipe: Recipe::Build(package) }
}

const MODULES: &[Module] = &[
    Module {
        folder: "kubernetes",
        version: Some(KUBERNETES),
        assets: &[
            build("kube-apiserver", "./kube-apiserver"),
            build("kube-controller-manager", "./kube-controller-manager"),
            build("kube-scheduler", "./kube-scheduler"),
            build("kubectl", "./kubectl"),
        ],
    },
    Module { folder: "kubectl-older", version: Some(KUBECTL_OLDER), assets: &[build("kubectl-older", ".")] },
    Module { folder: "etcd", version: None, assets: &[build("etcd", ".")] },
    Module {
        folder: "kwok",
        version: None,
        assets: &[
            build("kwok", "sigs.k8s.io/kwok/cmd/kwok"),
            Asset { name: "kwok-stages.yaml", recipe: Recipe::Print("./stages") },
        ],
    },
    Module { folder: "informer", version: None, assets: &[build("informer", ".")] },
    Module { folder: "external-dns", version: None, assets: &[build("external-dns", ".")] },
];

/// What `KUBEBUILDER_ASSETS` provides by convention.
const KUBEBUILDER: [&str; 3] = ["kube-apiserver", "etcd", "kubectl"];

/// Builds what is missing and links everything into `target/kube-assets`.
///
/// # Errors
/// Names the program to provide when something is missing and Go is not there to build it.
pub(crate) fn prepare(workspace: &Workspace) -> Result<()> {
    let cache = cache_folder(workspace);
    let provided = std::env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from);
    let links = workspace.target.join("kube-assets");
    fs::create_dir_all(&links).with_context(|| format!("failed to create {}", links.display()))?;
    println!("Kubernetes assets: cache {}", cache.display());
    let mut n_built = 0;
    for module in MODULES {
        let source = workspace.root.join("tests/kube-assets").join(module.folder);
        let folder = cache.join(format!("{}-{}", module.folder, module.hash(&source)?));
        for asset in module.assets {
            if let Some(file) = provided.as_deref().and_then(|folder| asset.provided_by(folder)) {
                println!("  {:24} from KUBEBUILDER_ASSETS: {}", asset.name, file.display());
                link(&file, &links.join(asset.name))?;
                continue;
            }
            let file = folder.join(asset.name);
            n_built += usize::from(asset.make(module, &source, &file)?);
            link(&file, &links.join(asset.name))?;
        }
        forget_old_builds(&cache, module.folder, &folder)?;
    }
    println!("Kubernetes assets: {n_built} built, linked in {}", links.display());
    Ok(())
}

/// Per user, not per checkout: a fresh clone on the same machine builds nothing.
fn cache_folder(workspace: &Workspace) -> PathBuf {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    named("KOINON_KUBE_ASSETS_CACHE")
        .or_else(|| named("XDG_CACHE_HOME").map(|folder| folder.join("koinon/kube-assets")))
        .or_else(|| named("HOME").map(|folder| folder.join(".cache/koinon/kube-assets")))
        .unwrap_or_else(|| workspace.target.join("kube-assets-cache"))
}

// === impl Module ===

impl Module {
    /// Everything that decides what a build gives: the module's own files, the stamps, the processor.
    fn hash(&self, source: &Path) -> Result<String> {
        let mut files = Vec::new();
        collect_files(source, &mut files)?;
        files.sort();
        if files.is_empty() {
            bail!("{} holds no files", source.display());
        }
        let mut digest = Sha256::new();
        digest.update(format!("{} {} {}\n", self.link_flags(), std::env::consts::OS, std::env::consts::ARCH));
        for file in &files {
            let relative = file.strip_prefix(source).context("a file outside of its module")?;
            let bytes = fs::read(file).with_context(|| format!("failed to read {}", file.display()))?;
            digest.update(format!("{} {}\n", relative.display(), bytes.len()));
            digest.update(&bytes);
        }
        Ok(digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect())
    }

    /// Kubernetes binaries take their version from the linker; without it they call themselves v0.0.0-master.
    fn link_flags(&self) -> String {
        let mut flags = String::from("-s -w");
        if let Some(Version { major, minor, patch }) = &self.version {
            const PACKAGE: &str = "k8s.io/component-base/version";
            flags += &format!(
                " -X {PACKAGE}.gitVersion=v{major}.{minor}.{patch} -X {PACKAGE}.gitMajor={major} -X {PACKAGE}.gitMinor={minor}"
            );
        }
        flags
    }
}

// === impl Asset ===

impl Asset {
    fn provided_by(&self, folder: &Path) -> Option<PathBuf> {
        let file = folder.join(self.name);
        (KUBEBUILDER.contains(&self.name) && file.is_file()).then_some(file)
    }

    /// Makes the file unless it is there; says whether it did.
    fn make(&self, module: &Module, source: &Path, file: &Path) -> Result<bool> {
        if file.is_file() {
            println!("  {:24} cached", self.name);
            return Ok(false);
        }
        require_go(self.name)?;
        let folder = file.parent().context("an asset without a folder")?;
        fs::create_dir_all(folder).with_context(|| format!("failed to create {}", folder.display()))?;
        // Two tasks may want the same binary at once; the second waits and finds it.
        let lock = File::create(folder.join(".lock")).context("failed to create the cache's lock file")?;
        lock.lock().context("failed to lock the cache folder")?;
        if file.is_file() {
            println!("  {:24} cached", self.name);
            return Ok(false);
        }
        println!("  {:24} building …", self.name);
        let start = Instant::now();
        let partial = folder.join(format!(".{}.{}", self.name, std::process::id()));
        let made = self.make_partial(module, source, &partial).and_then(|()| {
            fs::rename(&partial, file).with_context(|| format!("failed to put {} in place", file.display()))
        });
        if made.is_err() {
            // What is half made must not stay; that it may not even exist is fine.
            let _ = fs::remove_file(&partial);
        }
        made.with_context(|| format!("failed to make {}", self.name))?;
        println!("  {:24} built in {:.0} s", self.name, start.elapsed().as_secs_f64());
        Ok(true)
    }

    fn make_partial(&self, module: &Module, source: &Path, partial: &Path) -> Result<()> {
        match self.recipe {
            Recipe::Build(package) => run(go(source)
                .args(["build", "-mod=readonly", "-trimpath", "-ldflags", &module.link_flags(), "-o"])
                .arg(partial)
                .arg(package)),
            Recipe::Print(package) => {
                let file = File::create(partial)
                    .with_context(|| format!("failed to create {}", partial.display()))?;
                run(go(source).args(["run", "-mod=readonly", package]).stdout(file))
            }
        }
    }
}

/// Go in `source`: the installed toolchain, static binaries, flags of our own only.
fn go(source: &Path) -> Command {
    let mut command = Command::new("go");
    command
        .current_dir(source)
        .env("CGO_ENABLED", "0")
        .env("GOTOOLCHAIN", "local")
        .env("GOWORK", "off")
        .env("GOFLAGS", "-buildvcs=false");
    command
}

fn require_go(asset: &str) -> Result<()> {
    let found = Command::new("go").arg("version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if found.is_ok_and(|status| status.success()) {
        return Ok(());
    }
    Err(anyhow!(
        "{asset} is missing and there is no Go to build it. Provide one of these:\n\
         - Go 1.26 or newer on PATH (the binaries are then built once, from the Go module registry)\n\
         - KOINON_KUBE_ASSETS_CACHE=<cache folder of a machine that has built them>\n\
         - KUBEBUILDER_ASSETS=<folder with {}> for those three; the rest still needs Go",
        KUBEBUILDER.join(", ")
    ))
}

/// Points `link` at `file`, whatever was there before.
fn link(file: &Path, link: &Path) -> Result<()> {
    let partial = link.with_extension(format!("{}.partial", std::process::id()));
    std::os::unix::fs::symlink(file, &partial)
        .and_then(|()| fs::rename(&partial, link))
        .with_context(|| format!("failed to link {} to {}", link.display(), file.display()))
}

/// Removes the longest unused builds of a module; the one in use always stays.
fn forget_old_builds(cache: &Path, module: &str, used: &Path) -> Result<()> {
    let Ok(entries) = fs::read_dir(cache) else { return Ok(()) };
    let mut builds = Vec::new();
    for entry in entries {
        let entry = entry.context("failed to list the cache")?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_ours = name.strip_prefix(module).and_then(|rest| rest.strip_prefix('-')).is_some_and(is_hash);
        if is_ours && entry.path() != used {
            builds.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    builds.sort();
    let n_surplus = (builds.len() + 1).saturating_sub(BUILDS_KEPT_MAX);
    for (_, folder) in builds.iter().take(n_surplus) {
        println!("  removing the old build {}", folder.display());
        fs::remove_dir_all(folder).with_context(|| format!("failed to remove {}", folder.display()))?;
    }
    Ok(())
}

fn is_hash(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn collect_files(folder: &Path, into: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("failed to list {}", folder.display()))?;
    for entry in entries {
        let path = entry.context("failed to list a folder")?.path();
        if path.is_dir() {
            collect_files(&path, into)?;
        } else {
            into.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module_with(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        folder
    }

    #[test]
    fn a_changed_pin_changes_the_hash() {
        let module = &MODULES[0];
        let before = module_with(&[("go.mod", "a"), ("cmd/main.go", "b")]);
        let same = module_with(&[("cmd/main.go", "b"), ("go.mod", "a")]);
        let pinned = module_with(&[("go.mod", "c"), ("cmd/main.go", "b")]);
        let moved = module_with(&[("go.mod", "a"), ("cmd2/main.go", "b")]);
        let hash = module.hash(before.path()).unwrap();
        assert!(is_hash(&hash), "{hash}");
        assert_eq!(hash, module.hash(same.path()).unwrap());
        assert_ne!(hash, module.hash(pinned.path()).unwrap());
        assert_ne!(hash, module.hash(moved.path()).unwrap());
    }

    #[test]
    fn old_builds_go_and_the_used_one_stays() {
        let cache = tempfile::tempdir().unwrap();
        let folder = |hash: u64| cache.path().join(format!("etcd-{hash:016x}"));
        for hash in 0..5 {
            fs::create_dir(folder(hash)).unwrap();
        }
        fs::create_dir(cache.path().join("etcd-notes")).unwrap();
        forget_old_builds(cache.path(), "etcd", &folder(0)).unwrap();
        let kept = (0..5).filter(|hash| folder(*hash).exists()).count();
        assert_eq!(kept, BUILDS_KEPT_MAX);
        assert!(folder(0).exists());
        assert!(cache.path().join("etcd-notes").exists());
    }

    #[test]
    fn a_link_replaces_the_one_before() {
        let folder = module_with(&[("one", "1"), ("two", "2")]);
        let place = folder.path().join("kubectl");
        link(&folder.path().join("one"), &place).unwrap();
        link(&folder.path().join("two"), &place).unwrap();
        assert_eq!(fs::read_to_string(&place).unwrap(), "2");
    }

    #[test]
    fn only_the_conventional_binaries_come_from_kubebuilder_assets() {
        let folder = module_with(&[("etcd", ""), ("kwok", "")]);
        assert!(build("etcd", ".").provided_by(folder.path()).is_some());
        assert!(build("kwok", ".").provided_by(folder.path()).is_none());
        assert!(build("kubectl", ".").provided_by(folder.path()).is_none());
    }
}
