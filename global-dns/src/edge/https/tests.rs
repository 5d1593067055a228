//! Requests and what is said to them.

use http_body_util::Full;

use super::*;
use crate::snapshot::tests::support::{desk, query, record, show, snapshot, zone};

fn shop() -> Desk {
    let records = vec![record("shop.example", &[("a", "192.0.2.1", 1)])];
    let alias = "www.example 20 CNAME shop.example\nlost.example 300 CNAME nowhere.example";
    desk(snapshot(vec![zone("example", alias)], records))
}

async fn ask(method: &str, uri: &str, media_type: &str, body: Vec<u8>) -> (u16, String, Bytes) {
    let request = Request::builder().method(method).uri(uri).header(CONTENT_TYPE, media_type);
    let request = request.body(Full::new(Bytes::from(body))).unwrap();
    let response = respond(request, "192.0.2.9:999".parse().unwrap(), shop()).await;
    let cached = response.headers().get(CACHE_CONTROL);
    let cached = cached.map_or("", |value| value.to_str().unwrap()).to_owned();
    (response.status().as_u16(), cached, response.into_body().collect().await.unwrap().to_bytes())
}

fn by_get(packet: &[u8]) -> String {
    format!("/dns-query?ct&dns={}", URL_SAFE_NO_PAD.encode(packet))
}

#[tokio::test]
async fn both_methods_give_the_answer_and_how_long_it_is_good() {
    for (name, kind, wanted, cached) in [
        ("shop.example", "A", "NOERROR aa\nan shop.example 30 A 192.0.2.1", "private, max-age=30"),
        ("no.example", "A", "NXDOMAIN aa\nns example 60 SOA", "private, max-age=60"),
        ("shop.example", "TXT", "NOERROR aa\nns example 60 SOA", "private, max-age=60"),
        ("elsewhere", "A", "REFUSED", "private, max-age=0"),
    ] {
        let packet = query(name, kind);
        for (method, uri, body) in
            [("GET", by_get(&packet), Vec::new()), ("POST", PATH.to_owned(), packet.clone())]
        {
            let (status, told, message) = ask(method, &uri, MEDIA_TYPE, body).await;
            assert_eq!((status, told.as_str(), show(&message).as_str()), (200, cached, wanted), "{method}");
        }
    }
}

#[tokio::test]
async fn the_shortest_of_a_chain_counts() {
    for (name, wanted) in [("www.example", 20), ("lost.example", 60)] {
        let (_, cached, message) = ask("GET", &by_get(&query(name, "A")), MEDIA_TYPE, Vec::new()).await;
        assert_eq!(cached, format!("private, max-age={wanted}"), "{}", show(&message));
    }
}

#[tokio::test]
async fn what_is_no_question_has_a_status_of_its_own() {
    let packet = query("shop.example", "A");
    let mut response = packet.clone();
    response[2] |= 0x80;
    for (method, uri, media_type, body, wanted) in [
        ("POST", "/", MEDIA_TYPE, packet.clone(), 404),
        ("PUT", PATH, MEDIA_TYPE, packet.clone(), 405),
        ("HEAD", PATH, MEDIA_TYPE, Vec::new(), 405),
        ("POST", PATH, "application/json", packet.clone(), 415),
        ("POST", PATH, "Application/DNS-Message; charset=x", packet.clone(), 200),
        ("POST", PATH, MEDIA_TYPE, vec![0; RESPONSE_MAX + 1], 413),
        ("POST", PATH, MEDIA_TYPE, vec![0; 3], 400),
        ("POST", PATH, MEDIA_TYPE, response, 400),
        ("GET", PATH, MEDIA_TYPE, Vec::new(), 400),
        ("GET", "/dns-query?dns=AAA=", MEDIA_TYPE, Vec::new(), 400),
        ("GET", "/dns-query?dns=+/+/", MEDIA_TYPE, Vec::new(), 400),
    ] {
        let (status, cached, _) = ask(method, uri, media_type, body).await;
        assert_eq!(status, wanted, "{method} {uri} {media_type}");
        assert_eq!(cached.is_empty(), wanted != 200);
    }
}

#[test]
fn freshness_of_anything_is_a_number_or_nothing() {
    let packet = query("shop.example", "A");
    for length in 0..packet.len() {
        let mut torn = packet[..length].to_vec();
        if let Some(count) = torn.get_mut(7) {
            *count = 9;
        }
        assert_eq!(freshness::seconds(&torn), None);
    }
}
