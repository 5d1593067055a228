//! Names over time, second by second.

use proptest::prelude::*;

use super::*;

/// A name of two IPv4 endpoints, `a` and `b`, that is looked at once a second.
struct Name {
    rules: Rules,
    courses: [Option<Course>; 2],
    forced: [Option<Forced>; 2],
    now: Timestamp,
}

impl Name {
    fn new(rules: Rules) -> Self {
        Self { rules, courses: [None; 2], forced: [None; 2], now: Timestamp::from_seconds(100) }
    }

    /// Looks once: `+` a vantage finds it up, `-` down, `~` up and wavering, `?` nobody can tell, `x` its cluster is lost,
    /// `d` drained.
    fn look(&mut self, seen: &str) -> Vec<Outcome> {
        let seen: Vec<char> = seen.chars().collect();
        let vote = |seen| {
            let (verdict, wavers) = match seen {
                '+' => (EndpointVerdict::Up, false),
                '~' => (EndpointVerdict::Up, true),
                '-' => (EndpointVerdict::Down, false),
                _ => return Vec::new(),
            };
            vec![Vote { verdict, wavers }]
        };
        let votes: Vec<Vec<Vote>> = seen.iter().map(|seen| vote(*seen)).collect();
        let looks: Vec<Look<'_>> = (0..2)
            .map(|at| Look {
                family: Family::V4,
                weight: 1,
                withdrawn: match seen[at] {
                    'x' => Some(Withdrawn::ClusterUnreachable),
                    'd' => Some(Withdrawn::Draining),
                    _ => None,
                },
                votes: &votes[at],
                forced: self.forced[at],
                before: self.courses[at],
            })
            .collect();
        let outcomes = follow(&looks, &self.rules, self.now);
        self.now = self.now + Duration::from_secs(1);
        self.courses = [Some(outcomes[0].course), Some(outcomes[1].course)];
        outcomes
    }

    /// What each endpoint is after the last of these looks: its percentage, or why it is withdrawn.
    fn after(&mut self, looks: &[&str]) -> [String; 2] {
        let mut told = [String::new(), String::new()];
        for seen in looks {
            let outcomes = self.look(seen);
            told = [0, 1].map(|at| match outcomes[at].withdrawn {
                Some(why) => format!("{why:?}"),
                None => outcomes[at].percent.to_string(),
            });
        }
        told
    }
}

fn ramping() -> Rules {
    let ramp = RampPlan::new(&[10, 50, 100], Duration::from_secs(2)).ok();
    Rules { ramp, ..Rules::default() }
}

fn damping() -> Rules {
    let damping = Damping::new(Duration::from_secs(60), 2_500, 750).ok();
    Rules { damping, ..Rules::default() }
}

#[test]
fn an_endpoint_that_returns_gets_its_weight_in_steps() {
    let mut name = Name::new(ramping());
    let rows = [
        ("++", "100"),
        ("+-", "ProbesFailing"),
        ("++", "10"),
        ("++", "10"),
        ("++", "50"),
        ("+~", "10"),
        ("+~", "10"),
        ("++", "10"),
        ("++", "10"),
        ("++", "50"),
        ("+x", "ClusterUnreachable"),
        ("++", "10"),
        ("++", "10"),
        ("++", "50"),
        ("++", "50"),
        ("++", "100"),
        ("+d", "Draining"),
        ("++", "10"),
    ];
    for (at, (seen, wanted)) in rows.into_iter().enumerate() {
        assert_eq!(name.after(&[seen]), ["100", wanted], "look {at}");
    }
}

#[test]
fn the_first_and_the_only_one_have_their_weight_at_once() {
    let mut name = Name::new(ramping());
    assert_eq!(name.after(&["?+"]), ["100", "100"], "new");
    assert_eq!(name.after(&["x-", "x+"]), ["ClusterUnreachable", "100"], "the only one");
    assert_eq!(name.after(&["++"]), ["10", "100"], "now there is another");
    assert_eq!(name.after(&["+-"]), ["100", "ProbesFailing"], "the only one left");
    let mut name = Name::new(ramping());
    assert_eq!(name.after(&["++", "--", "++"]), ["100", "100"], "both return together");
    let mut name = Name::new(Rules::default());
    assert_eq!(name.after(&["++", "+-", "++"]), ["100", "100"], "no ramp is wanted");
}

#[test]
fn three_quick_falls_leave_an_endpoint_out_until_it_has_been_steady() {
    let mut name = Name::new(damping());
    assert_eq!(name.after(&["++", "+-", "++", "+-", "++"]), ["100", "100"]);
    assert_eq!(name.after(&["+-", "++"]), ["100", "Flapping"]);
    let again = name.look("++")[1].again.expect("a moment of reuse");
    let steady = vec!["++"; usize::try_from(again.since(name.now).as_secs()).unwrap()];
    assert_eq!(name.after(&steady), ["100", "Flapping"]);
    assert_eq!(name.after(&["++", "++"]), ["100", "100"]);
}

#[test]
fn nothing_flaps_when_it_is_the_last() {
    let mut name = Name::new(damping());
    name.after(&["++", "--", "++", "--", "++", "-+", "++", "--"]);
    // Both have fallen too often; `b` has the fewer points.
    assert_eq!(name.after(&["++"]), ["Flapping", "100"]);
    assert_eq!(name.after(&["+-"]), ["100", "ProbesFailing"], "somebody has to serve");
    name.forced = [None, Some(Forced::Down)];
    assert_eq!(name.after(&["++"]), ["100", "Flapping"], "who is forced down does not serve");
}

#[test]
fn draining_is_no_fall() {
    let mut name = Name::new(damping());
    let told = name.after(&["++", "+d", "++", "+d", "++", "+d", "++", "+d", "++"]);
    assert_eq!(told, ["100", "100"]);
}

#[test]
fn the_word_of_vantages_outlives_them_for_a_while() {
    let mut name = Name::new(ramping());
    assert_eq!(name.after(&["++", "+-", "+?"]), ["100", "ProbesFailing"]);
    assert_eq!(name.after(&["+?"; 28]), ["100", "ProbesFailing"]);
    assert_eq!(name.after(&["+?"]), ["100", "10"], "unknown is not down");
}

#[test]
fn what_an_operator_decides_counts_for_the_others() {
    let mut name = Name::new(ramping());
    name.forced = [Some(Forced::Down), None];
    assert_eq!(name.after(&["++", "+-", "++"])[1], "100", "the only one that serves");
    name.forced = [None, None];
    assert_eq!(name.after(&["++"])[0], "10", "it returns");
    name.forced = [Some(Forced::Up), None];
    assert_eq!(name.after(&["++"])[0], "100");
}

proptest! {
    #[test]
    fn somebody_serves_whenever_somebody_is_well(
        looks in proptest::collection::vec("[+~?x-]{2}", 1..120),
        ramp in any::<bool>(),
    ) {
        let mut name = Name::new(Rules { ramp: ramping().ramp.filter(|_| ramp), ..damping() });
        for seen in &looks {
            let outcomes = name.look(seen);
            let well = outcomes.iter().any(|outcome| outcome.course.well);
            let served = outcomes.iter().any(|outcome| outcome.withdrawn.is_none());
            prop_assert_eq!(well, served, "{}", seen);
            let whole = outcomes.iter().any(|o| o.withdrawn.is_none() && o.percent == 100);
            prop_assert!(whole || !served, "who serves alone has the whole weight: {}", seen);
            for outcome in &outcomes {
                prop_assert!(outcome.again.is_none_or(|again| again > Timestamp::from_seconds(100)));
                prop_assert!(outcome.unsettled || (outcome.percent == 100 && outcome.withdrawn.is_none()));
            }
        }
    }
}
