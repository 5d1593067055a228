//! Who owns what, in the cases that users meet.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::gvk::GroupVersionKind;

const TIME: &str = "2026-11-24T02:03:04Z";

struct Object {
    schema: Schema,
    ty: TypeId,
    value: Value,
    owners: Managers,
}

fn deployment() -> Object {
    let schema = Schema::built_in();
    let ty = schema.type_of(&GroupVersionKind::new("apps", "v1", "Deployment")).unwrap();
    Object { schema, ty, value: json!({}), owners: Managers::default() }
}

fn writer(manager: &str) -> Writer<'_> {
    Writer { manager, api_version: "apps/v1", subresource: "", time: TIME }
}

impl Object {
    fn place(&self) -> Place<'_> {
        Place { schema: &self.schema, ty: self.ty, reset: Reset::Status }
    }

    fn try_apply(&mut self, manager: &str, configuration: &Value, force: Force) -> Result<(), Vec<String>> {
        let applied =
            apply(self.place(), &self.value, configuration, self.owners.clone(), writer(manager), force);
        match applied {
            Ok((value, owners)) => {
                self.value = value;
                // The next write reads what this one wrote.
                self.owners = Managers::read(&owners.write()).unwrap();
                Ok(())
            }
            Err(conflicts) => Err(texts(&conflicts)),
        }
    }

    fn apply(&mut self, manager: &str, configuration: &Value) {
        self.try_apply(manager, configuration, Force::No).unwrap();
    }

    fn update(&mut self, manager: &str, new: &Value) {
        let owners = update(self.place(), &self.value, new, self.owners.clone(), writer(manager));
        self.owners = Managers::read(&owners.write()).unwrap();
        self.value = new.clone();
    }

    fn owned(&self, manager: &str) -> Vec<String> {
        let entry = self.owners.entries().iter().find(|entry| entry.manager == manager);
        entry.map(|entry| entry.fields.paths()).unwrap_or_default()
    }
}

fn texts(conflicts: &[Conflict]) -> Vec<String> {
    let of_one = |conflict: &Conflict| {
        let paths = conflict.fields.paths();
        paths.into_iter().map(|path| format!("{} {path}", conflict.owner)).collect::<Vec<_>>()
    };
    conflicts.iter().flat_map(of_one).collect()
}

fn container(name: &str, image: &str) -> Value {
    json!({"name": name, "image": image})
}

fn pods(containers: &[Value]) -> Value {
    json!({"spec": {"template": {"spec": {"containers": containers}}}})
}

#[test]
fn an_applier_owns_what_it_names() {
    let mut object = deployment();
    object.apply("kubectl", &json!({"metadata": {"name": "a", "labels": {"app": "a"}}, "spec": {"replicas": 2, "template": {"spec": {"containers": [container("web", "x:1")]}}}}));
    let owned = object.owned("kubectl");
    let item = ".spec.template.spec.containers[name=\"web\"]";
    assert_eq!(
        owned,
        [".metadata.labels.app", ".spec.replicas", item, &format!("{item}.image"), &format!("{item}.name")]
    );
}

#[test]
fn two_appliers_share_an_object_and_conflict_over_a_field() {
    let mut object = deployment();
    object.apply("one", &json!({"spec": {"replicas": 2}}));
    object.apply("two", &json!({"metadata": {"labels": {"tier": "gold"}}}));
    let conflicts = object.try_apply("two", &json!({"spec": {"replicas": 3}}), Force::No);
    assert_eq!(conflicts, Err(vec!["\"one\" .spec.replicas".to_owned()]));
    assert_eq!(
        object.try_apply("two", &json!({"spec": {"replicas": 2}}), Force::No),
        Ok(()),
        "equal values are shared"
    );
    object.try_apply("two", &json!({"spec": {"replicas": 3}}), Force::Yes).unwrap();
    assert_eq!(object.value["spec"]["replicas"], 3);
    assert_eq!((object.owned("one"), object.owned("two")), (vec![], vec![".spec.replicas".to_owned()]));
    assert!(
        object.value["metadata"]["labels"].get("tier").is_none(),
        "what two does not apply any more is gone"
    );
}

#[test]
fn what_is_not_applied_any_more_goes_unless_others_own_it() {
    let mut object = deployment();
    object.apply("one", &pods(&[container("web", "x:1"), container("side", "y:1")]));
    object.apply("two", &pods(&[json!({"name": "side", "env": [{"name": "A", "value": "b"}]})]));
    object.apply("one", &pods(&[container("web", "x:1")]));
    let containers = &object.value["spec"]["template"]["spec"]["containers"];
    assert_eq!(
        containers,
        &json!([container("web", "x:1"), {"name": "side", "env": [{"name": "A", "value": "b"}]}])
    );
    object.apply("two", &json!({}));
    assert_eq!(object.value["spec"]["template"]["spec"]["containers"], json!([container("web", "x:1")]));
}

#[test]
fn an_update_takes_what_it_changes() {
    let mut object = deployment();
    object.apply("one", &json!({"spec": {"replicas": 2, "paused": true}}));
    object.update("scaler", &json!({"spec": {"replicas": 5, "paused": true}}));
    assert_eq!(
        (object.owned("one"), object.owned("scaler")),
        (vec![".spec.paused".into()], vec![".spec.replicas".into()])
    );
    let conflicts = object.try_apply("one", &json!({"spec": {"replicas": 2, "paused": true}}), Force::No);
    assert_eq!(conflicts, Err(vec!["\"scaler\" using apps/v1 .spec.replicas".to_owned()]));
    object.update("scaler", &json!({"spec": {"paused": true}}));
    assert_eq!(object.owned("scaler"), Vec::<String>::new(), "what is gone is nobody's");
}

#[test]
fn key_fields_that_are_absent_count_by_their_defaults() {
    let mut object = deployment();
    let port = |extra: Value| pods(&[json!({"name": "web", "image": "x", "ports": [extra]})]);
    object.apply("one", &port(json!({"containerPort": 80})));
    object.apply("one", &port(json!({"containerPort": 80, "protocol": "TCP", "name": "http"})));
    let ports = &object.value["spec"]["template"]["spec"]["containers"][0]["ports"];
    assert_eq!(ports, &json!([{"containerPort": 80, "protocol": "TCP", "name": "http"}]));
}

#[test]
fn status_and_what_the_server_sets_are_nobodys() {
    let mut object = deployment();
    let new = json!({"metadata": {"uid": "u", "annotations": {"a": "b"}}, "spec": {"replicas": 1}, "status": {"replicas": 1}});
    object.update("kubectl", &new);
    assert_eq!(
        object.owned("kubectl"),
        [".spec", ".metadata.annotations", ".metadata.annotations.a", ".spec.replicas"]
    );
}

#[test]
fn items_keep_their_places() {
    let mut object = deployment();
    object.value = pods(&[container("a", "1"), container("b", "1"), container("c", "1")]);
    object.apply("one", &pods(&[container("c", "2"), container("d", "2"), container("a", "2")]));
    let names: Vec<&Value> = object.value["spec"]["template"]["spec"]["containers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| &c["name"])
        .collect();
    assert_eq!(names, ["b", "c", "d", "a"]);
}

#[test]
fn applying_again_changes_nothing_and_keeps_the_time() {
    let mut object = deployment();
    let configuration = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"replicas": 2, "template": {"spec": {"containers": [container("web", "x")]}}}});
    object.apply("one", &configuration);
    let (value, owners) = (object.value.clone(), object.owners.write());
    let later = Writer { time: "2027-01-01T00:00:00Z", ..writer("one") };
    let (again, owners_again) =
        apply(object.place(), &value, &configuration, object.owners.clone(), later, Force::No).unwrap();
    assert_eq!((again, owners_again.write()), (value, owners));
}

#[test]
fn what_is_still_as_a_client_applied_it_is_told() {
    let object = deployment();
    let last = json!({"spec": {"replicas": 4, "paused": true}});
    let live = json!({"spec": {"replicas": 5, "paused": true}});
    assert_eq!(still_as_applied(object.place(), &live, &last).paths(), [".spec.paused"]);
}

#[test]
fn old_updaters_are_drawn_together() {
    let mut object = deployment();
    let mut labels = serde_json::Map::new();
    for n in 0..14 {
        labels.insert(format!("l{n}"), json!("x"));
        object.update(&format!("m{n}"), &json!({"metadata": {"labels": labels}}));
    }
    assert_eq!(object.owners.entries().len(), 10);
    assert!(object.owned("ancient-changes").len() >= 5);
}

#[test]
fn sets_are_written_as_upstream_writes_them() {
    let text = r#"{"f:metadata":{"f:labels":{".":{},"f:app":{}}},"f:spec":{"f:ports":{"k:{\"port\":80,\"protocol\":\"TCP\"}":{".":{},"f:port":{}}},"f:finalizers":{"v:\"a\"":{}}}}"#;
    let value: Value = serde_json::from_str(text).unwrap();
    let set = FieldSet::read(&value).unwrap();
    assert_eq!(set.write(), value);
    assert!(
        set.paths().contains(&".spec.ports[port=80,protocol=\"TCP\"].port".to_owned()),
        "{:?}",
        set.paths()
    );
    assert_eq!(FieldSet::read(&json!({"x": {}})), None);
    assert!(Managers::read(&json!([{"operation": "Steal"}])).is_err());
}

fn any_set() -> impl Strategy<Value = FieldSet> {
    prop::collection::vec(prop::collection::vec("[abc]", 1..4), 0..8).prop_map(|paths| {
        paths.into_iter().fold(FieldSet::default(), |set, path| {
            let mut one = FieldSet::default();
            for (depth, name) in path.iter().rev().enumerate() {
                let mut outer = FieldSet::default();
                let element = Element::Field(name.clone());
                if depth == 0 {
                    outer.insert(element);
                } else {
                    outer.insert_below(element, one);
                }
                one = outer;
            }
            set.union(&one)
        })
    })
}

proptest! {
    #[test]
    fn set_operations_obey_their_laws(a in any_set(), b in any_set()) {
        prop_assert_eq!(a.union(&b), b.union(&a));
        prop_assert_eq!(a.intersection(&b), b.intersection(&a));
        prop_assert_eq!(a.difference(&b).union(&a.intersection(&b)), a.clone());
        prop_assert_eq!(FieldSet::read(&a.write()), Some(a.clone()));
        prop_assert!(a.difference(&a).is_empty());
    }
}
