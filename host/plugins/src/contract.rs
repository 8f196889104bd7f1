//! Whether some bytes are a component of this worker's contract, said so that whoever uploaded them
//! knows what to do.

use wasmtime::Store;
use wasmtime::component::{Component, Instance, InstancePre};

use crate::bindings::exported::{
    connector_api, converter_api, plugin_api, predicate_api, sink_api, source_api, transform_api,
};
use crate::host::State;
use crate::{InstallError, PluginKind};

/// Version of the contract: that of `package cofferdam:connect` in `wit/`.
pub(crate) const VERSION: &str = "0.1.0";
const PACKAGE: &str = "cofferdam:connect/";
const PLUGIN_API: &str = "cofferdam:connect/plugin-api";

/// Where a component's exports are, by interface.
#[derive(Clone)]
pub(crate) struct Exports {
    pub(crate) plugin: plugin_api::GuestIndices,
    pub(crate) connector: Option<connector_api::GuestIndices>,
    pub(crate) source: Option<source_api::GuestIndices>,
    pub(crate) sink: Option<sink_api::GuestIndices>,
    pub(crate) transform: Option<transform_api::GuestIndices>,
    pub(crate) predicate: Option<predicate_api::GuestIndices>,
    pub(crate) converter: Option<converter_api::GuestIndices>,
}

impl Exports {
    /// # Errors
    /// When there is no `plugin-api`, which [`check_component`] has made sure of.
    pub(crate) fn find(component: &InstancePre<State>) -> wasmtime::Result<Self> {
        Ok(Self {
            plugin: plugin_api::GuestIndices::new(component)?,
            connector: connector_api::GuestIndices::new(component).ok(),
            source: source_api::GuestIndices::new(component).ok(),
            sink: sink_api::GuestIndices::new(component).ok(),
            transform: transform_api::GuestIndices::new(component).ok(),
            predicate: predicate_api::GuestIndices::new(component).ok(),
            converter: converter_api::GuestIndices::new(component).ok(),
        })
    }

    /// Checks that the functions have the types of the contract, in an instance that is there anyway:
    /// whoever uploads hears of it, not whoever starts a connector.
    pub(crate) fn check_types(&self, store: &mut Store<State>, instance: &Instance) -> wasmtime::Result<()> {
        self.plugin.load(&mut *store, instance)?;
        self.connector.as_ref().map(|api| api.load(&mut *store, instance)).transpose()?;
        self.source.as_ref().map(|api| api.load(&mut *store, instance)).transpose()?;
        self.sink.as_ref().map(|api| api.load(&mut *store, instance)).transpose()?;
        self.transform.as_ref().map(|api| api.load(&mut *store, instance)).transpose()?;
        self.predicate.as_ref().map(|api| api.load(&mut *store, instance)).transpose()?;
        self.converter.as_ref().map(|api| api.load(&mut *store, instance)).transpose()?;
        Ok(())
    }

    /// The kinds of plugins that these functions make possible.
    pub(crate) fn kinds(&self) -> Vec<PluginKind> {
        let connector = self.connector.is_some();
        let kinds = [
            (PluginKind::Source, connector && self.source.is_some()),
            (PluginKind::Sink, connector && self.sink.is_some()),
            (PluginKind::Transform, self.transform.is_some()),
            (PluginKind::Predicate, self.predicate.is_some()),
            (PluginKind::Converter, self.converter.is_some()),
            (PluginKind::HeaderConverter, self.converter.is_some()),
        ];
        kinds.into_iter().filter(|(_, possible)| *possible).map(|(kind, _)| kind).collect()
    }
}

/// Checks what can be seen without compiling: magic, kind, completeness.
pub(crate) fn check_bytes(bytes: &[u8]) -> Result<(), InstallError> {
    let Some((head, _)) = bytes.split_first_chunk::<8>().filter(|(head, _)| head.starts_with(b"\0asm"))
    else {
        return Err(InstallError::NotWasm { starts_with: first_bytes(bytes) });
    };
    let [.., version, _, layer, _] = head;
    if *layer == 0 && *version == 1 {
        return Err(InstallError::CoreModule);
    }
    check_sections(bytes)
}

/// Walks the sections: each is an id, a length and so many bytes.
fn check_sections(bytes: &[u8]) -> Result<(), InstallError> {
    let mut at = 8;
    while at < bytes.len() {
        let rest = bytes.get(at + 1..).unwrap_or_default();
        let cut_off = |said, left| InstallError::Truncated { at, said, left };
        let (len, len_bytes) = leb128(rest).ok_or_else(|| cut_off(0, rest.len()))?;
        let left = rest.len() - len_bytes;
        match usize::try_from(len) {
            Ok(len) if len <= left => at += 1 + len_bytes + len,
            _ => return Err(cut_off(len, left)),
        }
    }
    Ok(())
}

fn leb128(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
    }
    None
}

fn first_bytes(bytes: &[u8]) -> String {
    let first = bytes.get(..8).unwrap_or(bytes);
    match std::str::from_utf8(first) {
        _ if first.is_empty() => "nothing at all".to_owned(),
        Ok(text) if !text.contains(char::is_control) => format!("{text:?}"),
        _ => first.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" "),
    }
}

/// Checks that a component speaks this worker's version of the contract.
pub(crate) fn check_component(component: &Component) -> Result<(), InstallError> {
    let ty = component.component_type();
    let engine = component.engine();
    let exports: Vec<&str> = ty.exports(engine).map(|(name, _)| name).collect();
    let imports: Vec<&str> = ty.imports(engine).map(|(name, _)| name).collect();
    let of_contract = exports.iter().chain(&imports).filter(|name| name.starts_with(PACKAGE));
    for name in of_contract {
        if let Some((interface, version)) = name.split_once('@')
            && !compatible(version)
        {
            return Err(InstallError::Contract {
                found: (*name).to_owned(),
                expected: format!("{interface}@{VERSION}"),
            });
        }
    }
    if exports.iter().any(|name| name.split('@').next() == Some(PLUGIN_API)) {
        return Ok(());
    }
    let exports = if exports.is_empty() { "nothing".to_owned() } else { exports.join(", ") };
    Err(InstallError::NoPluginApi { expected: format!("{PLUGIN_API}@{VERSION}"), exports })
}

/// As wasmtime matches interface versions: before 1.0 the minor version has to be the same.
fn compatible(version: &str) -> bool {
    let major_minor = |text: &str| text.rsplit_once('.').map(|(start, _)| start.to_owned());
    major_minor(version) == major_minor(VERSION)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn refusal(bytes: &[u8]) -> String {
        check_bytes(bytes).unwrap_err().to_string()
    }

    #[test]
    fn what_is_no_component_is_named() {
        assert_eq!(
            refusal(b"PK\x03\x04jar"),
            "this is not WebAssembly: it starts with 50 4b 03 04 6a 61 72; upload a .wasm component"
        );
        assert!(refusal(b"<html>").contains("\"<html>\""));
        assert!(refusal(b"").contains("nothing at all"));
        assert!(refusal(b"\0asm").contains("not WebAssembly"));
        assert!(refusal(b"\0asm\x01\0\0\0").contains("wasm32-wasip2"));
    }

    #[test]
    fn a_cut_off_component_is_told_from_a_bad_one() {
        let head = b"\0asm\x0d\0\x01\0";
        check_bytes(head).unwrap();
        check_bytes(&[head.as_slice(), &[0, 2, 1, 1]].concat()).unwrap();
        let cut = refusal(&[head.as_slice(), &[0, 9, 1, 1]].concat());
        assert_eq!(cut, "this component is cut off: section at byte 8 says it has 9 bytes, 2 are left");
        assert!(refusal(&[head.as_slice(), &[0]].concat()).contains("cut off"));
        assert!(refusal(&[head.as_slice(), &[0, 0x80]].concat()).contains("cut off"));
    }

    #[test]
    fn the_minor_version_decides() {
        assert!(compatible("0.1.0") && compatible("0.1.7"));
        assert!(!compatible("0.2.0") && !compatible("1.1.0") && !compatible("x"));
    }
}
