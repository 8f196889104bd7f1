//! What may be installed, what is kept, what replaces what.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use bytes::Bytes;
use cofferdam_api::{Class, Classified as _, chain};
use cofferdam_plugins::{Format, InstallError, Origin, PluginKind, Plugins, Power, RemoveError};

use super::{Bench, programs, settings};

async fn refusal(bytes: impl Into<Bytes>) -> InstallError {
    let bench = Bench::empty(|_| {});
    let error = bench.plugins.install(bytes.into(), Origin::Upload).await.unwrap_err();
    assert!(bench.plugins.artifacts().is_empty());
    assert_eq!(std::fs::read_dir(bench.dir.path().join("store")).unwrap().count(), 0);
    error
}

fn wasm(text: &str) -> Bytes {
    wat::parse_str(text).unwrap().into()
}

// === refused ===

#[tokio::test]
async fn what_is_no_component_is_refused_by_kind() {
    assert!(matches!(refusal("PK\u{3}\u{4} a jar").await, InstallError::NotWasm { .. }));
    assert!(matches!(refusal(wasm("(module)")).await, InstallError::CoreModule));
    let mut cut = programs::program("only-transform");
    cut.truncate(cut.len() / 2);
    assert!(matches!(refusal(cut).await, InstallError::Truncated { .. }));
    let mut spoilt = programs::program("only-transform");
    let middle = spoilt.len() / 2;
    spoilt[middle..middle + 64].fill(0xff);
    let error = refusal(spoilt).await;
    assert!(matches!(error, InstallError::Invalid(_)), "{error:?}");
    assert_eq!(error.class(), Class::Config);
}

#[tokio::test]
async fn a_component_of_another_purpose_is_refused() {
    let error = refusal(wasm("(component)")).await;
    assert!(matches!(&error, InstallError::NoPluginApi { exports, .. } if exports == "nothing"), "{error:?}");
    let other = r#"(component (instance $i) (export "wasi:cli/run@0.2.6" (instance $i)))"#;
    let text = refusal(wasm(other)).await.to_string();
    assert!(
        text.contains("cofferdam:connect/plugin-api@0.1.0") && text.contains("wasi:cli/run@0.2.6"),
        "{text}"
    );
}

#[tokio::test]
async fn another_version_of_the_contract_is_named_with_ours() {
    let other = r#"(component (instance $i) (export "cofferdam:connect/plugin-api@0.2.0" (instance $i)))"#;
    assert_eq!(
        refusal(wasm(other)).await.to_string(),
        "this component was built for the contract cofferdam:connect/plugin-api@0.2.0; \
         this worker speaks cofferdam:connect/plugin-api@0.1.0"
    );
    let hollow = r#"(component (instance $i) (export "cofferdam:connect/plugin-api@0.1.0" (instance $i)))"#;
    let text = chain(&refusal(wasm(hollow)).await);
    assert!(text.contains("does not have export `describe`"), "{text}");
    let wrong = r#"(component
        (core module $m (func (export "describe")))
        (core instance $m (instantiate $m))
        (func $f (canon lift (core func $m "describe")))
        (instance $i (export "describe" (func $f)) (export "validate" (func $f)))
        (export "cofferdam:connect/plugin-api@0.1.0" (instance $i)))"#;
    let text = chain(&refusal(wasm(wrong)).await);
    assert!(text.contains("functions are not those of the contract"), "{text}");
}

#[tokio::test]
async fn an_import_that_nobody_offers_is_named() {
    let text = chain(
        &refusal(wasm(
            r#"(component
                (import "acme:magic/wand@1.0.0" (instance (export "wave" (func))))
                (instance $i) (export "cofferdam:connect/plugin-api@0.1.0" (instance $i)))"#,
        ))
        .await,
    );
    assert!(text.contains("acme:magic/wand"), "{text}");
}

// === found ===

#[tokio::test]
async fn a_plugin_is_found_by_every_name_that_means_only_it() {
    let bench = Bench::new().await;
    let connectors = [PluginKind::Source, PluginKind::Sink];
    for name in ["test.Source", "Source", "test.old.NameConnector", "NameConnector", "Name"] {
        let found = bench.plugins.plugin(name, &connectors).unwrap();
        assert_eq!(found.class, "test.Source", "{name}");
    }
    assert!(bench.plugins.plugin("test.Source", &[PluginKind::Sink]).is_none());
    assert!(bench.plugins.plugin("source", &connectors).is_none());
    let source = bench.plugins.plugin("Source", &connectors).unwrap();
    assert_eq!((source.kind, source.version.as_str()), (PluginKind::Source, "1.2.3"));
    assert_eq!((source.key_format, source.value_format), (Format::Raw, Format::Rows));
    assert_eq!(source.capabilities[0].power, Power::FileRead);
    let keys: Vec<_> = source.config_def.keys.iter().map(|key| key.name.as_str()).collect();
    assert_eq!(keys, ["topic", "records", "file"]);
    let classes: Vec<_> = bench.plugins.plugins().into_iter().map(|plugin| plugin.class).collect();
    let all =
        ["Converter", "IdempotentSink", "Predicate", "Sink", "Source", "TransactionalSource", "Transform"];
    assert_eq!(classes, all.map(|name| format!("test.{name}")));
}

#[tokio::test]
async fn what_is_built_in_is_there() {
    let bench = Bench::empty(|_| {});
    bench.plugins.load_builtin().await.unwrap();
    assert!(bench.plugins.artifacts().iter().all(|artifact| artifact.origin == Origin::Builtin));
    for (class, kind) in [
        ("org.apache.kafka.connect.file.FileStreamSourceConnector", PluginKind::Source),
        ("FileStreamSink", PluginKind::Sink),
        ("FileSegmentSink", PluginKind::Sink),
        ("org.apache.kafka.connect.transforms.RegexRouter", PluginKind::Transform),
        ("org.apache.kafka.connect.transforms.MaskField$Value", PluginKind::Transform),
        ("org.apache.kafka.connect.transforms.predicates.TopicNameMatches", PluginKind::Predicate),
    ] {
        assert!(bench.plugins.plugin(class, &[kind]).is_some(), "{class}");
    }
    let source = bench.plugins.plugin("FileStreamSource", &[PluginKind::Source]).unwrap();
    assert_eq!(source.capabilities[0].power, Power::FileRead);
}

// === replaced and removed ===

/// The same component with other bytes: a custom section changes the digest only.
fn variant(of: &str, name: &str) -> Bytes {
    let mut bytes = programs::program(of);
    let mut section = vec![u8::try_from(name.len()).unwrap()];
    section.extend_from_slice(name.as_bytes());
    bytes.extend_from_slice(&[0, u8::try_from(section.len()).unwrap()]);
    bytes.extend_from_slice(&section);
    bytes.into()
}

#[tokio::test]
async fn an_upload_replaces_an_upload_and_nothing_else() {
    let bench = Bench::empty(|_| {});
    let store = bench.dir.path().join("store");
    let first = bench.plugins.install(variant("only-transform", "1"), Origin::Upload).await.unwrap();
    let second = bench.plugins.install(variant("only-transform", "2"), Origin::Upload).await.unwrap();
    assert_ne!(first.digest, second.digest);
    assert_eq!(bench.plugins.artifacts().len(), 1);
    assert_eq!(bench.plugins.plugins()[0].digest, second.digest);
    assert!(!store.join(format!("{}.wasm", first.digest)).exists());
    assert!(store.join(format!("{}.wasm", second.digest)).exists());
    // Again: the same artifact, found in the cache.
    let again = bench.plugins.install(variant("only-transform", "2"), Origin::Upload).await.unwrap();
    assert_eq!((again.digest, again.compile_ms), (second.digest.clone(), 0));

    bench.plugins.remove("test.OnlyTransform").await.unwrap();
    assert!(bench.plugins.plugins().is_empty() && !store.join(format!("{}.wasm", second.digest)).exists());
    assert!(matches!(bench.plugins.remove(&second.digest).await, Err(RemoveError::NotFound(_))));

    bench.plugins.install(variant("only-transform", "3"), Origin::Builtin).await.unwrap();
    let taken = bench.plugins.install(variant("only-transform", "1"), Origin::Upload).await.unwrap_err();
    assert!(
        taken.to_string().contains("test.OnlyTransform is already offered by a built-in plugin"),
        "{taken}"
    );
    assert_eq!(taken.class(), Class::Exists);
    let kept = bench.plugins.remove("OnlyTransform").await.unwrap_err();
    assert!(matches!(kept, RemoveError::NotFound(_)), "{kept}");
    let kept = bench.plugins.remove("test.OnlyTransform").await.unwrap_err();
    assert!(kept.to_string().contains("is a built-in plugin and cannot be removed"), "{kept}");
}

#[tokio::test]
async fn uploads_survive_a_restart_in_their_order() {
    let bench = Bench::empty(|_| {});
    bench.plugins.install(Bytes::from(programs::program("misbehaving")), Origin::Upload).await.unwrap();
    let last = bench.plugins.install(variant("only-transform", "1"), Origin::Upload).await.unwrap();
    // A file that a crash left behind: the upload that replaced it is younger and wins again.
    let old = bench.dir.path().join("store/old.wasm");
    std::fs::write(&old, variant("only-transform", "0")).unwrap();
    std::fs::File::open(&old).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    std::fs::write(bench.dir.path().join("store/bad.wasm"), "spoilt").unwrap();

    let restarted = Plugins::new(settings(&bench.dir)).unwrap();
    restarted.load_store().await;
    let digests: Vec<_> =
        restarted.plugins().into_iter().map(|plugin| (plugin.class, plugin.digest)).collect();
    assert_eq!(digests.len(), 8);
    assert!(digests.contains(&("test.OnlyTransform".to_owned(), last.digest)));
    assert!(
        restarted.artifacts().iter().all(|artifact| artifact.compile_ms == 0 || artifact.plugins.is_empty())
    );
}

#[tokio::test]
async fn folders_are_searched_two_deep() {
    let bench = Bench::empty(|_| {});
    let folder = bench.dir.path().join("plugins/inner");
    std::fs::create_dir_all(folder.join("deep")).unwrap();
    std::fs::write(folder.join("a.wasm"), programs::program("only-transform")).unwrap();
    std::fs::write(folder.join("deep/b.wasm"), programs::program("misbehaving")).unwrap();
    std::fs::write(folder.join("readme.txt"), "not one").unwrap();
    let paths = [bench.dir.path().join("plugins"), bench.dir.path().join("missing")];
    bench.plugins.load_folder(&paths).await;
    let artifacts = bench.plugins.artifacts();
    assert_eq!(artifacts.len(), 1);
    assert_eq!(
        (artifacts[0].origin, artifacts[0].plugins[0].class.as_str()),
        (Origin::Folder, "test.OnlyTransform")
    );
    assert!(
        bench.plugins.remove("test.OnlyTransform").await.unwrap_err().to_string().contains("plugin.path")
    );
}

// === the cache ===

fn cached(dir: &Path) -> std::path::PathBuf {
    let files = std::fs::read_dir(dir.join("cache")).unwrap().map(|entry| entry.unwrap().path());
    files.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "cwasm")).unwrap()
}

#[tokio::test]
async fn a_cached_file_counts_only_untouched_and_private() {
    let bench = Bench::empty(|_| {});
    let install = || bench.plugins.install(Bytes::from(programs::program("only-transform")), Origin::Upload);
    assert!(install().await.unwrap().compile_ms > 0);
    assert_eq!(install().await.unwrap().compile_ms, 0);
    let path = cached(bench.dir.path());
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let folder = std::fs::metadata(path.parent().unwrap()).unwrap();
    assert_eq!(folder.permissions().mode() & 0o777, 0o700);

    let mut code = std::fs::read(&path).unwrap();
    let last = code.len() - 1;
    code[last] ^= 1;
    std::fs::write(&path, &code).unwrap();
    assert!(install().await.unwrap().compile_ms > 0, "a changed file was loaded");
    assert_eq!(install().await.unwrap().compile_ms, 0);

    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
    assert!(install().await.unwrap().compile_ms > 0, "a file that others can write was loaded");
    std::fs::remove_file(path.with_extension("sha256")).unwrap();
    assert!(install().await.unwrap().compile_ms > 0, "a file without checksum was loaded");
    assert_eq!(install().await.unwrap().compile_ms, 0);
}
