//! How many files this process may have open, of which each connection is one.

use std::num::NonZeroU32;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Lets there be as many connections as are wanted, as far as the system goes along, and tells where it does not.
pub(crate) fn allow(connections: NonZeroU32) {
    if let Some(files) = allow_most().filter(|files| *files <= u64::from(connections.get())) {
        tracing::warn!(
            "the system lets this process open {files} files, too few for MAX_CONNECTIONS={connections}: raise its limit (ulimit -n, LimitNOFILE=) or lower MAX_CONNECTIONS"
        );
    }
}

/// Lets this process open as many files as the system lets it, where most systems begin with 1,024 (setrlimit(2),
/// `RLIMIT_NOFILE`). Returns how many that is; none if there is no limit.
fn allow_most() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_to_allow() {
        let most = allow_most();
        assert_eq!(getrlimit(Resource::Nofile).current, most);
        assert_eq!(allow_most(), most);
    }
}
