//! Waiting for something to become true, with a limit: the one place where tests wait.

use std::time::{Duration, Instant};

use anyhow::bail;

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// The first value that `look` finds within `limit`. What failed last is told when it finds none.
#[allow(clippy::disallowed_methods, reason = "a limit needs a clock")]
pub fn eventually<T>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        let last = match look() {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => "it was not so".to_owned(),
            Err(error) => format!("{error:#}"),
        };
        if Instant::now() >= deadline {
            bail!("waited {} s in vain for {what}: {last}", limit.as_secs());
        }
        // Whoever unparks this thread only makes it look again.
        std::thread::park_timeout(LOOK);
    }
}

/// The same for who looks by asking a database or a server, and must not hold up the tasks beside it.
pub async fn eventually_async<T>(
    what: &str,
    limit: Duration,
    mut look: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let mut last = String::new();
    let looking = async {
        let mut looks = tokio::time::interval(LOOK);
        loop {
            looks.tick().await;
            match look().await {
                Ok(Some(found)) => return found,
                Ok(None) => "it was not so".clone_into(&mut last),
                Err(error) => last = format!("{error:#}"),
            }
        }
    };
    let found = tokio::time::timeout(limit, looking).await;
    found.map_err(|_| anyhow::anyhow!("waited {} s in vain for {what}: {last}", limit.as_secs()))
}

/// Lets a while pass: for who torments at random instants, and never to wait for something.
#[allow(clippy::disallowed_methods, reason = "a while needs a clock")]
pub fn leave_alone(duration: Duration) {
    let until = Instant::now() + duration;
    while let Some(rest) = until.checked_duration_since(Instant::now()).filter(|rest| !rest.is_zero()) {
        std::thread::park_timeout(rest);
    }
}
