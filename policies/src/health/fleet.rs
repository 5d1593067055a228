//! What is to be believed about an endpoint that several vantages probe?

use koinon_model::endpoint_health::Quorum;
use koinon_model::health::EndpointVerdict;

/// What one vantage says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vote {
    /// Its verdict.
    pub verdict: EndpointVerdict,
    /// Its latest probes disagree with that.
    pub wavers: bool,
}

/// What the vantages say together.
///
/// Only those that can tell are counted: who has not probed often enough, or is not heard of any more, is neither for nor
/// against. Unknown when there is none.
#[must_use]
pub fn agree(votes: &[Vote], quorum: Quorum) -> EndpointVerdict {
    let count = |wanted| votes.iter().filter(|vote| vote.verdict == wanted).count();
    let (n_up, n_down) = (count(EndpointVerdict::Up), count(EndpointVerdict::Down));
    if n_up + n_down == 0 {
        return EndpointVerdict::Unknown;
    }
    let is_down = match quorum {
        Quorum::Any => n_down > 0,
        Quorum::Majority => n_down > n_up,
        Quorum::All => n_up == 0,
    };
    if is_down { EndpointVerdict::Down } else { EndpointVerdict::Up }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quorum_of_those_that_can_tell_decides() {
        use EndpointVerdict::{Down, Unknown, Up};
        let rows = [
            ("", [Unknown, Unknown, Unknown]),
            ("??", [Unknown, Unknown, Unknown]),
            ("-", [Down, Down, Down]),
            ("-??", [Down, Down, Down]),
            ("+", [Up, Up, Up]),
            ("+-", [Down, Up, Up]),
            ("+--", [Down, Down, Up]),
            ("+--??", [Down, Down, Up]),
            ("---", [Down, Down, Down]),
        ];
        for (said, wanted) in rows {
            let votes: Vec<Vote> = said
                .chars()
                .map(|said| match said {
                    '+' => Up,
                    '-' => Down,
                    _ => Unknown,
                })
                .map(|verdict| Vote { verdict, wavers: false })
                .collect();
            let found = [Quorum::Any, Quorum::Majority, Quorum::All].map(|quorum| agree(&votes, quorum));
            assert_eq!(found, wanted, "{said:?}");
        }
    }
}
