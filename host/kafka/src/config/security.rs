//! The security keys: their meaning depends on each other, so they are translated together.

use cofferdam_api::ConfigMap;

use super::{Translation, jaas};

/// Keys without a counterpart: TLS is OpenSSL's business here.
const IGNORED: &[&str] = &[
    "ssl.protocol",
    "ssl.enabled.protocols",
    "ssl.provider",
    "ssl.keymanager.algorithm",
    "ssl.trustmanager.algorithm",
    "ssl.secure.random.implementation",
    "ssl.allow.dn.changes",
    "ssl.allow.san.changes",
    "security.providers",
];

const PEM: &str = "convert it to PEM: `keytool -importkeystore -srckeystore store.jks -destkeystore store.p12 \
                   -deststoretype pkcs12`, then `openssl pkcs12 -in store.p12 -out store.pem -nodes`, and set the \
                   location to store.pem and the type to PEM";

/// Whether a key belongs here.
pub(super) fn handles(key: &str) -> bool {
    key.starts_with("sasl.") || key.starts_with("ssl.") || key.starts_with("security.")
}

/// Translates all security keys of `map`.
pub(super) fn translate(map: &ConfigMap, to: &mut Translation) {
    let get = |key: &str| map.get(key).map(|value| value.trim()).filter(|value| !value.is_empty());
    if let Some(protocol) = get("security.protocol") {
        to.set("security.protocol", "security.protocol", &protocol.to_ascii_lowercase());
    }
    let protocol = get("security.protocol").unwrap_or_default().to_ascii_uppercase();
    // Settings of a protocol that is not in use are left alone, as Java does: files are shared.
    if protocol.starts_with("SASL") {
        sasl(&get, to);
    }
    if protocol.ends_with("SSL") {
        ssl(map, &get, to);
    }
    for key in map.keys().filter(|key| handles(key)) {
        let known = KNOWN.contains(&key.as_str());
        if IGNORED.contains(&key.as_str()) || !known && !to.origins.values().any(|origin| origin == key) {
            to.ignored.push(key.clone());
        }
    }
}

/// Keys that are looked at, whether or not they lead to a setting.
const KNOWN: &[&str] = &[
    "security.protocol",
    "sasl.mechanism",
    "sasl.jaas.config",
    "sasl.login.callback.handler.class",
    "sasl.client.callback.handler.class",
    "sasl.kerberos.service.name",
    "sasl.oauthbearer.token.endpoint.url",
    "ssl.truststore.location",
    "ssl.truststore.type",
    "ssl.truststore.password",
    "ssl.truststore.certificates",
    "ssl.keystore.location",
    "ssl.keystore.type",
    "ssl.keystore.password",
    "ssl.keystore.certificate.chain",
    "ssl.keystore.key",
    "ssl.key.password",
    "ssl.endpoint.identification.algorithm",
    "ssl.cipher.suites",
    "ssl.engine.factory.class",
];

fn sasl<'a>(get: &impl Fn(&str) -> Option<&'a str>, to: &mut Translation) {
    // Java's default; naming it makes the refusal below say what to do.
    let mechanism = get("sasl.mechanism").unwrap_or("GSSAPI");
    match mechanism {
        "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512" => to.set("sasl.mechanism", "sasl.mechanism", mechanism),
        _ => {
            return to.refuse(
                "sasl.mechanism",
                format!("{mechanism} is not built in; use PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, or TLS client certificates"),
            );
        }
    }
    for key in ["sasl.login.callback.handler.class", "sasl.client.callback.handler.class"] {
        if let Some(class) = get(key) {
            to.refuse(key, format!("the Java class {class} cannot be loaded here; give user name and password in sasl.jaas.config"));
        }
    }
    let Some(text) = get("sasl.jaas.config") else {
        return to.refuse("sasl.jaas.config", format!("it is needed for {mechanism}"));
    };
    let module = match jaas::parse(text) {
        Ok(module) => module,
        Err(reason) => return to.refuse("sasl.jaas.config", reason),
    };
    if !["PlainLoginModule", "ScramLoginModule"].contains(&module.name.as_str()) {
        return to.refuse(
            "sasl.jaas.config",
            format!(
                "the login module {} is not available; use PlainLoginModule or ScramLoginModule",
                module.name
            ),
        );
    }
    for (option, key) in [("username", "sasl.username"), ("password", "sasl.password")] {
        match module.options.get(option) {
            Some(value) => to.set("sasl.jaas.config", key, value),
            None => to.refuse("sasl.jaas.config", format!("the option {option} is missing")),
        }
    }
}

fn ssl<'a>(map: &ConfigMap, get: &impl Fn(&str) -> Option<&'a str>, to: &mut Translation) {
    if let Some(class) = get("ssl.engine.factory.class") {
        to.refuse("ssl.engine.factory.class", format!("the Java class {class} cannot be loaded here"));
    }
    if let Some(certificates) = get("ssl.truststore.certificates") {
        to.set("ssl.truststore.certificates", "ssl.ca.pem", certificates);
    } else if let Some(location) = get("ssl.truststore.location") {
        match store_type(get("ssl.truststore.type"), location) {
            "PEM" => to.set("ssl.truststore.location", "ssl.ca.location", location),
            other => to.refuse(
                "ssl.truststore.location",
                format!("a trust store of type {other} cannot be read; {PEM}"),
            ),
        }
    }
    if let Some(chain) = get("ssl.keystore.certificate.chain") {
        to.set("ssl.keystore.certificate.chain", "ssl.certificate.pem", chain);
        if let Some(key) = get("ssl.keystore.key") {
            to.set("ssl.keystore.key", "ssl.key.pem", key);
        }
    } else if let Some(location) = get("ssl.keystore.location") {
        match store_type(get("ssl.keystore.type"), location) {
            "PEM" => {
                to.set("ssl.keystore.location", "ssl.certificate.location", location);
                to.set("ssl.keystore.location", "ssl.key.location", location);
            }
            "PKCS12" => {
                to.set("ssl.keystore.location", "ssl.keystore.location", location);
                if let Some(password) = get("ssl.keystore.password") {
                    to.set("ssl.keystore.password", "ssl.keystore.password", password);
                }
            }
            other => to.refuse(
                "ssl.keystore.location",
                format!("a key store of type {other} cannot be read; {PEM}"),
            ),
        }
    }
    if let Some(password) = get("ssl.key.password") {
        to.set("ssl.key.password", "ssl.key.password", password);
    }
    // Here the empty value has a meaning of its own: do not check the broker's name.
    if let Some(algorithm) = map.get("ssl.endpoint.identification.algorithm") {
        let algorithm = if algorithm.trim().is_empty() { "none" } else { "https" };
        to.set("ssl.endpoint.identification.algorithm", "ssl.endpoint.identification.algorithm", algorithm);
    }
    if let Some(suites) = get("ssl.cipher.suites") {
        let suites: Vec<_> = suites.split(',').map(str::trim).collect();
        to.set("ssl.cipher.suites", "ssl.cipher.suites", &suites.join(":"));
    }
}

/// The type as given, or what the file's name says; Java would assume JKS.
fn store_type<'a>(given: Option<&'a str>, location: &str) -> &'a str {
    let by_name = || match location.rsplit('.').next().unwrap_or_default().to_ascii_lowercase().as_str() {
        "pem" | "crt" | "cer" => "PEM",
        "p12" | "pfx" | "pkcs12" => "PKCS12",
        _ => "JKS",
    };
    match given {
        Some(given) if given.eq_ignore_ascii_case("PEM") => "PEM",
        Some(given) if given.eq_ignore_ascii_case("PKCS12") => "PKCS12",
        Some(given) => given,
        None => by_name(),
    }
}
