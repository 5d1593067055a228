//! Waiting for a condition with a deadline: the only place where tests let time pass.

use std::fmt::Display;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Between two looks: short against every deadline, long against the cost of a look at two busy cores.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A look that hangs longer than this is as good as a failed one; the next may do better.
const LOOK_MAX: Duration = Duration::from_secs(10);

/// Looks until `look` answers `Ok`, and gives that answer.
///
/// # Errors
/// When `deadline` has passed: says what was awaited and what the last look saw.
pub async fn eventually<T, E: Display>(
    deadline: Duration,
    what: impl Display,
    mut look: impl AsyncFnMut() -> Result<T, E>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        let left = deadline.saturating_sub(start.elapsed());
        let seen = match tokio::time::timeout(left.clamp(LOOK_EVERY, LOOK_MAX), look()).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(seen)) => format!("{seen:#}"),
            Err(_) => String::from("no answer"),
        };
        if start.elapsed() >= deadline {
            bail!("{what} did not happen within {:.1} s; last seen: {seen}", deadline.as_secs_f64());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Looks again and again for the whole `span`: what must stay true.
///
/// # Errors
/// With the first look that answers an error.
pub async fn throughout<E: Display>(
    span: Duration,
    what: impl Display,
    mut look: impl AsyncFnMut() -> Result<(), E>,
) -> Result<()> {
    let start = Instant::now();
    while start.elapsed() < span {
        if let Err(seen) = look().await {
            let after = start.elapsed().as_secs_f64();
            bail!("{what} did not stay so for {:.1} s; after {after:.1} s: {seen:#}", span.as_secs_f64());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// Lets time pass between two tries of something that is not a test's own condition: a stand-in for a
/// controller, a load driver.
pub async fn back_off(span: Duration) {
    tokio::time::sleep(span).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn gives_the_first_good_answer() {
        let mut n_looks = 0;
        let answer = eventually(Duration::from_secs(5), "three looks", async || {
            n_looks += 1;
            if n_looks == 3 { Ok(n_looks) } else { Err("not yet") }
        });
        assert_eq!(answer.await.unwrap(), 3);
    }

    #[tokio::test]
    async fn says_what_was_awaited_and_what_was_seen() {
        let answer = eventually(Duration::ZERO, "a moon landing", async || Err::<(), _>("a launch pad"));
        let text = answer.await.unwrap_err().to_string();
        assert_eq!(text, "a moon landing did not happen within 0.0 s; last seen: a launch pad");
    }

    #[tokio::test]
    async fn a_look_that_hangs_does_not_hang_the_test() {
        let answer = eventually(Duration::from_millis(60), "an answer", async || {
            std::future::pending::<Result<(), String>>().await
        });
        assert!(answer.await.unwrap_err().to_string().ends_with("last seen: no answer"));
    }
}
