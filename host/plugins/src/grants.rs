//! What an instance may reach beyond its records: the configuration is the capability.
//!
//! A description says which key carries a path (`${file}`); the folder of the path that the operator
//! wrote there is opened for that instance, under the very text that its plugin will use, and
//! nothing else is.

use std::path::{Path, PathBuf};

use cofferdam_api::ConfigMap;
use cofferdam_config::{ConfigDef, DefaultValue};
use wasmtime_wasi::FsPerms;

use crate::{CallError, PluginInfo, Power};

/// A folder that an instance sees.
#[derive(Debug)]
pub(crate) struct Preopen {
    /// The folder, all links resolved.
    pub(crate) folder: PathBuf,
    /// How the guest calls it.
    pub(crate) name: String,
    pub(crate) perms: FsPerms,
}

/// What to do about a folder that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Refuse: a task cannot do its work.
    Refuse,
    /// Go on without it: a connector's own instance may run on another machine than its tasks.
    Skip,
}

/// The folders that `plugin` gets for `config`.
///
/// # Errors
/// [`CallError::Refused`], with the folder and the setting that refuses it.
pub(crate) fn preopens(
    plugin: &PluginInfo,
    config: &ConfigMap,
    roots: &[PathBuf],
    missing: Missing,
) -> Result<Vec<Preopen>, CallError> {
    let mut all: Vec<Preopen> = Vec::new();
    for capability in &plugin.capabilities {
        let perms = match capability.power {
            Power::FileRead => FsPerms::ReadOnly,
            Power::FileWrite => FsPerms::ReadWrite,
            Power::TransactionBoundaries => continue,
        };
        let path = substitute(&capability.value, config, &plugin.config_def);
        if path.is_empty() {
            continue;
        }
        let Some(new) = preopen(perms, &path, roots, missing)? else { continue };
        match all.iter_mut().find(|known| known.name == new.name) {
            Some(known) if new.perms == FsPerms::ReadWrite => known.perms = FsPerms::ReadWrite,
            Some(_) => {}
            None => all.push(new),
        }
    }
    Ok(all)
}

fn preopen(
    perms: FsPerms,
    path: &str,
    roots: &[PathBuf],
    missing: Missing,
) -> Result<Option<Preopen>, CallError> {
    let name = match Path::new(path).parent() {
        // A file without a folder is in the folder the worker runs in.
        Some(parent) if parent.as_os_str().is_empty() => ".".to_owned(),
        Some(parent) => parent.to_string_lossy().into_owned(),
        None => path.to_owned(),
    };
    let folder = match Path::new(&name).canonicalize() {
        Ok(folder) => folder,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return match missing {
                Missing::Skip => Ok(None),
                Missing::Refuse => Err(CallError::Refused(format!(
                    "the folder {name} of the file {path} does not exist on this worker"
                ))),
            };
        }
        Err(error) => {
            return Err(CallError::Refused(format!(
                "the folder {name} of the file {path} cannot be used: {error}"
            )));
        }
    };
    if !folder.is_dir() {
        return Err(CallError::Refused(format!("{name}, the folder of the file {path}, is not a folder")));
    }
    if folder.parent().is_none() {
        return Err(CallError::Refused(format!(
            "the file {path} is in the root of the file system, which would show the plugin everything; \
             put it into a folder"
        )));
    }
    if !roots.iter().filter_map(|root| root.canonicalize().ok()).any(|root| folder.starts_with(root)) {
        let allowed: Vec<String> = roots.iter().map(|root| root.display().to_string()).collect();
        return Err(CallError::Refused(format!(
            "the folder {} is outside of the folders that files may be in (cofferdam.file.roots={})",
            folder.display(),
            allowed.join(",")
        )));
    }
    Ok(Some(Preopen { folder, name, perms }))
}

/// `template` with each `${key}` replaced by the value of the key, its default, or nothing.
fn substitute(template: &str, config: &ConfigMap, def: &ConfigDef) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        let Some((key, after)) = after.split_once('}') else {
            out.push_str("${");
            rest = after;
            continue;
        };
        let default = def.keys.iter().find(|known| known.name == key).map(|known| &known.default);
        match (config.get(key), default) {
            (Some(value), _) | (None, Some(DefaultValue::Value(value))) => out.push_str(value.trim()),
            _ => {}
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use cofferdam_config::{ConfigKey, ConfigType, Importance};

    use super::*;

    #[test]
    fn a_template_takes_the_value_the_default_or_nothing() {
        let key = ConfigKey::new("dir", ConfigType::String, Importance::High, "");
        let def = ConfigDef { keys: vec![key.default_value("/tmp")] };
        let config: ConfigMap = [("file".to_owned(), " a.txt ".to_owned())].into_iter().collect();
        assert_eq!(substitute("${dir}/${file}", &config, &def), "/tmp/a.txt");
        assert_eq!(substitute("${unknown}", &config, &def), "");
        assert_eq!(substitute("$file ${file", &config, &def), "$file ${file");
    }

    fn grant(path: &str, roots: &[&Path], missing: Missing) -> Result<Option<Preopen>, CallError> {
        let roots: Vec<PathBuf> = roots.iter().map(|root| root.to_path_buf()).collect();
        preopen(FsPerms::ReadOnly, path, &roots, missing)
    }

    #[test]
    fn the_folder_is_named_as_the_plugin_writes_it() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("in")).unwrap();
        let path = format!("{}/in/../in/a.txt", dir.path().display());
        let granted = grant(&path, &[dir.path()], Missing::Refuse).unwrap().unwrap();
        assert_eq!(granted.name, format!("{}/in/../in", dir.path().display()));
        assert_eq!(granted.folder, dir.path().canonicalize().unwrap().join("in"));
        let here = grant("a.txt", &[Path::new("/")], Missing::Refuse).unwrap().unwrap();
        assert_eq!((here.name.as_str(), here.folder), (".", std::env::current_dir().unwrap()));
    }

    #[test]
    fn a_refusal_says_what_and_why() {
        let dir = tempfile::tempdir().unwrap();
        let refused =
            |path: &str, roots: &[&Path]| grant(path, roots, Missing::Refuse).unwrap_err().to_string();
        let inside = dir.path().join("inside");
        std::fs::create_dir(&inside).unwrap();
        let outside = refused(&format!("{}/inside/../a.txt", dir.path().display()), &[&inside]);
        assert!(
            outside.contains("is outside of the folders that files may be in (cofferdam.file.roots="),
            "{outside}"
        );
        let missing = refused(&format!("{}/none/a.txt", dir.path().display()), &[dir.path()]);
        assert!(missing.contains("/none of the file") && missing.contains("does not exist"), "{missing}");
        assert!(refused("/a.txt", &[Path::new("/")]).contains("root of the file system"));
        std::fs::write(dir.path().join("plain"), "").unwrap();
        let plain = refused(&format!("{}/plain/a.txt", dir.path().display()), &[dir.path()]);
        assert!(plain.contains("is not a folder") || plain.contains("cannot be used"), "{plain}");
    }

    #[test]
    fn a_link_out_of_the_roots_is_refused() {
        let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::os::unix::fs::symlink(elsewhere.path(), dir.path().join("link")).unwrap();
        let path = format!("{}/link/a.txt", dir.path().display());
        let refused = grant(&path, &[dir.path()], Missing::Refuse).unwrap_err();
        assert!(refused.to_string().contains("outside"), "{refused}");
    }

    #[test]
    fn a_connector_goes_on_without_a_missing_folder() {
        assert!(grant("/no/such/folder/a.txt", &[Path::new("/")], Missing::Skip).unwrap().is_none());
    }
}
