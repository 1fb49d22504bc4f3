//! What is asked for, and how. Knows our paths and which methods each has; knows no bytes of a request but these two.

use super::fault::Fault;

/// How something is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`.
    Get,
    /// `HEAD`: as `GET`, and the reply has no body.
    Head,
    /// `POST`.
    Post,
    /// Any other: no path of ours has one.
    Other,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// `/chain`: every block held.
    Chain,
    /// `/mempool`: every transaction that waits for a block.
    Mempool,
    /// `/sync`: how far the chain reaches.
    Sync,
    /// `/events`: what is new, as long as the reader stays.
    Events,
    /// `/tx`: takes a transaction.
    Transaction,
    /// `/broadcast`: takes a block.
    Block,
    /// Nothing of ours.
    Unknown,
}

/// Methods of what can be looked at, as in `Allow`.
const READ: &str = "GET, HEAD";

/// The same of what takes something.
const WRITE: &str = "POST";

const PATHS: [(&str, Target); 6] = [
    ("/chain", Target::Chain),
    ("/mempool", Target::Mempool),
    ("/sync", Target::Sync),
    ("/events", Target::Events),
    ("/tx", Target::Transaction),
    ("/broadcast", Target::Block),
];

impl Method {
    /// As written, for methods are told apart by case.
    pub fn of(name: &str) -> Self {
        match name {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            _ => Self::Other,
        }
    }
}

impl Target {
    /// What a request's target names: a path, or an URL of `http` as a proxy is asked. Whatever host it has is ours,
    /// and a query says nothing here.
    ///
    /// # Errors
    /// When it is neither, nor the `*` of `OPTIONS`.
    pub fn of(target: &str) -> Result<Self, Fault> {
        let path = if target.starts_with('/') || target == "*" { target } else { path_of_url(target)? };
        let path = path.split('?').next().unwrap_or(path);
        let found = PATHS.iter().find(|(known, _)| *known == path);
        Ok(found.map_or(Self::Unknown, |(_, target)| *target))
    }

    /// Whether it has such a method.
    ///
    /// # Errors
    /// When it has not, or is nothing of ours.
    pub fn accepts(self, method: Method) -> Result<(), Fault> {
        let allow = match self {
            Self::Chain | Self::Mempool | Self::Sync | Self::Events => READ,
            Self::Transaction | Self::Block => WRITE,
            Self::Unknown => return Err(Fault::NotFound),
        };
        let is_allowed = match method {
            Method::Get | Method::Head => allow == READ,
            Method::Post => allow == WRITE,
            Method::Other => false,
        };
        if is_allowed { Ok(()) } else { Err(Fault::Method { allow }) }
    }
}

/// What follows the host of `http://host/path`.
fn path_of_url(url: &str) -> Result<&str, Fault> {
    const SCHEME: &str = "http://";
    let is_ours = url.get(..SCHEME.len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case(SCHEME));
    let rest = if is_ours { &url[SCHEME.len()..] } else { return Err(Fault::Target) };
    let host_len = rest.find(['/', '?']).unwrap_or(rest.len());
    if host_len == 0 { Err(Fault::Target) } else { Ok(&rest[host_len..]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_known_with_and_without_a_query_and_behind_any_host() {
        for (path, target) in PATHS {
            assert_eq!(Target::of(path), Ok(target));
            assert_eq!(Target::of(&format!("{path}?")), Ok(target));
            assert_eq!(Target::of(&format!("{path}?from=/chain")), Ok(target));
            assert_eq!(Target::of(&format!("http://node:10000{path}")), Ok(target));
            assert_eq!(Target::of(&format!("HTTP://node{path}?x")), Ok(target));
        }
        for path in [
            "/",
            "/chain/",
            "/Chain",
            "//chain",
            "/chain#x",
            "/%63hain",
            "*",
            "http://node",
            "http://node?/chain",
        ] {
            assert_eq!(Target::of(path), Ok(Target::Unknown), "{path}");
        }
        for other in ["chain", "https://node/chain", "http:///chain", "node:443", "http:/chain", "http://"] {
            assert_eq!(Target::of(other), Err(Fault::Target), "{other}");
        }
    }

    #[test]
    fn what_can_be_looked_at_takes_nothing_and_the_other_way_round() {
        for (path, target) in PATHS {
            let is_read = !["/tx", "/broadcast"].contains(&path);
            let allow = if is_read { "GET, HEAD" } else { "POST" };
            for (name, is_allowed) in
                [("GET", is_read), ("HEAD", is_read), ("POST", !is_read), ("PUT", false), ("get", false)]
            {
                let expected = if is_allowed { Ok(()) } else { Err(Fault::Method { allow }) };
                assert_eq!(target.accepts(Method::of(name)), expected, "{name} {path}");
            }
        }
        assert_eq!(Target::Unknown.accepts(Method::Get), Err(Fault::NotFound));
    }
}
