//! Which objects must travel with which workloads, in both directions.

use std::collections::{BTreeMap, BTreeSet};

use crate::templates::TemplateKey;

/// The needs of every workload whose policy follows them.
#[derive(Debug, Default)]
pub(super) struct Needs {
    by_workload: BTreeMap<TemplateKey, BTreeSet<TemplateKey>>,
    by_dependency: BTreeMap<TemplateKey, BTreeSet<TemplateKey>>,
}

// === impl Needs ===

impl Needs {
    /// Notes everything that a workload needs now; gives what it newly needs or needs no more.
    pub(super) fn note(&mut self, workload: &TemplateKey, needs: BTreeSet<TemplateKey>) -> Vec<TemplateKey> {
        let before = self.by_workload.remove(workload).unwrap_or_default();
        let changed: Vec<TemplateKey> = before.symmetric_difference(&needs).cloned().collect();
        for dependency in before.difference(&needs) {
            if let Some(workloads) = self.by_dependency.get_mut(dependency) {
                workloads.remove(workload);
                if workloads.is_empty() {
                    self.by_dependency.remove(dependency);
                }
            }
        }
        for dependency in needs.difference(&before) {
            self.by_dependency.entry(dependency.clone()).or_default().insert(workload.clone());
        }
        if !needs.is_empty() {
            self.by_workload.insert(workload.clone(), needs);
        }
        changed
    }

    /// What a workload needs.
    pub(super) fn of(&self, workload: &TemplateKey) -> impl Iterator<Item = &TemplateKey> {
        self.by_workload.get(workload).into_iter().flatten()
    }

    /// The workloads that need an object.
    pub(super) fn requirers(&self, dependency: &TemplateKey) -> impl Iterator<Item = &TemplateKey> {
        self.by_dependency.get(dependency).into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kind: &str, name: &str) -> TemplateKey {
        TemplateKey { group: "".into(), kind: kind.into(), namespace: "shop".into(), name: name.into() }
    }

    #[test]
    fn what_changes_is_named_in_both_directions() {
        let mut needs = Needs::default();
        let (web, api) = (key("Deployment", "web"), key("Deployment", "api"));
        let (a, b) = (key("ConfigMap", "a"), key("Secret", "b"));
        assert_eq!(needs.note(&web, [a.clone()].into()), std::slice::from_ref(&a));
        assert_eq!(needs.note(&api, [a.clone()].into()), std::slice::from_ref(&a));
        assert_eq!(needs.note(&web, [a.clone()].into()), []);
        assert_eq!(needs.requirers(&a).collect::<Vec<_>>(), [&api, &web]);
        assert_eq!(needs.note(&web, [b.clone()].into()), [a.clone(), b.clone()]);
        assert_eq!(needs.requirers(&a).collect::<Vec<_>>(), [&api]);
        assert_eq!(needs.note(&web, BTreeSet::new()), std::slice::from_ref(&b));
        assert_eq!(needs.requirers(&b).count(), 0);
    }
}
