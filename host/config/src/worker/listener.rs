//! Addresses that the REST API listens on.

use std::fmt;
use std::str::FromStr;

/// HTTP with or without TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `http`
    Http,
    /// `https`
    Https,
}

/// `scheme://host:port`. Without a host it is every interface; port 0 is any free one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// With or without TLS.
    pub scheme: Scheme,
    /// Name or address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl FromStr for Listener {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let format = || "Listener doesn't have the right format (protocol://hostname:port).".to_owned();
        let (scheme, address) = text.split_once("://").ok_or_else(format)?;
        let (host, port) = address.rsplit_once(':').ok_or_else(format)?;
        let port = port.parse().map_err(|_| format())?;
        let host = match host.strip_prefix('[') {
            Some(v6) => v6.strip_suffix(']').ok_or_else(format)?,
            None if host.contains(':') => return Err(format()),
            None => host,
        };
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err("Listener protocol must be either \"http\" or \"https\".".to_owned()),
        };
        Ok(Self { scheme, host: host.to_owned(), port })
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_are_read_and_printed() {
        for text in ["http://:8083", "https://[::1]:0", "http://a.b:80"] {
            assert_eq!(text.parse::<Listener>().map(|listener| listener.to_string()), Ok(text.to_owned()));
        }
        assert_eq!("HTTP://x:1".parse::<Listener>().map(|l| l.scheme), Ok(Scheme::Http));
        let format = Err("Listener doesn't have the right format (protocol://hostname:port).".to_owned());
        for text in ["8083", "http://a", "http://a:b", "http://::1:80", "http://[::1:80", "http://a:70000"] {
            assert_eq!(text.parse::<Listener>(), format, "{text}");
        }
        let scheme = Err("Listener protocol must be either \"http\" or \"https\".".to_owned());
        assert_eq!("ftp://a:1".parse::<Listener>(), scheme);
    }
}
