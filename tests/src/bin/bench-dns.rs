//! Processor time per DNS answer, beside that of a batched UDP echo under the same load in the same run.
//!
//! The echo is the floor: the same system calls with nothing in between. Other authoritative servers get the same questions in
//! the same run. All have one answering thread, which one generator keeps busy with as many questions in flight; rounds
//! alternate, so that a busy machine disturbs all alike. Only those that answer are counted, by the kernel's own account.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use koinon_dns::CookieSecret;
use koinon_dns::serve::{self, Config, Running};
use koinon_dns::wire::name::Name;
use koinon_tests::load::datagrams::{Datagrams, WIDTH, echo};
use koinon_tests::load::report::{line, write};
use koinon_tests::load::rivals::{self, RIVALS, Rival};
use koinon_tests::load::threads::cpu_time;
use koinon_tests::world::World;
use koinon_types::names::{
    AnswerReport, Endpoint, EndpointState, NameTable, OnAllDown, ParentWish, Record, RecordRef, Secret,
    Signing, SigningKey, Signs, Soa, Target, Transfer, Ttl, Updates, Zone,
};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};

/// Measures answers.
#[derive(Parser)]
struct Arguments {
    /// Names served, each with three weighted addresses; may be given several times
    #[arg(long, default_values_t = [1_000, 100_000, 1_000_000])]
    names: Vec<usize>,
    /// Servers to compare with, each with one address per name; may be given several times, `none` compares with nobody
    #[arg(long, default_values_t = RIVALS.map(str::to_owned))]
    against: Vec<String>,
    /// Questions for names that do not exist, of every hundred
    #[arg(long, default_value_t = 20)]
    missing_percent: usize,
    /// Length of one round, in milliseconds
    #[arg(long, default_value_t = 1000)]
    round_ms: u64,
    /// Rounds of each kind; the median counts
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Signs the zone and asks for signatures; of the others, only Knot takes part
    #[arg(long)]
    dnssec: bool,
}

/// The server to compare with that signs its zone itself.
const SIGNING_RIVAL: &str = "knot";

/// Clients of the generator, each with one batch in flight: enough that no thread ever waits for work.
const CLIENTS: usize = 4;

/// A datagram that does not come back within this time is lost.
const LOST_AFTER: Duration = Duration::from_millis(200);

/// A table of a million names is built well within this time.
const BUILD_MAX: Duration = Duration::from_secs(120);

/// The zone of all names.
const APEX: &str = "global.example";

/// The size whose figures stand at the top of the file.
const NAMES_USUAL: usize = 100_000;

/// Where rivals listen.
const PORT: u16 = 25353;

/// What one round came to.
struct Round {
    cpu_us: f64,
    per_second: f64,
    n_lost: usize,
}

/// The medians of one server's rounds.
struct Figure {
    who: String,
    cpu_us: f64,
    per_second: f64,
    n_lost: usize,
}

/// One size.
struct Case {
    n_names: usize,
    build: Duration,
    change: Duration,
    /// Shape: the echo first, then Koinon, then Koinon with only names that exist and only names that do not, then the others.
    figures: Vec<Figure>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let world = World::new("bench-dns")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut cases = Vec::new();
    for n_names in &arguments.names {
        let case = measure(&world, &runtime, &arguments, *n_names)?;
        tell(&case);
        cases.push(case);
    }
    let file = write(if arguments.dnssec { "dns-dnssec" } else { "dns" }, &figures(&cases))?;
    println!("written to {}", file.display());
    Ok(())
}

/// Measures every server with so many names.
fn measure(world: &World, runtime: &Runtime, arguments: &Arguments, n_names: usize) -> Result<Case> {
    let mut served = runtime.block_on(async { Served::start() })?;
    let signing = if arguments.dnssec { Some(signing()?) } else { None };
    let build = runtime.block_on(served.publish(table(n_names, 1, signing.clone())))?;
    // The same table again, one generation on: what any change costs until it is answered.
    let change = runtime.block_on(served.publish(table(n_names, 2, signing.clone())))?;
    let names: Vec<(String, Ipv4Addr)> = (0..n_names).map(|n| (format!("shop-{n}"), address(n, 0))).collect();
    let mut rivals = Vec::new();
    for (at, name) in RIVALS.into_iter().enumerate() {
        let takes_part = !arguments.dnssec || name == SIGNING_RIVAL;
        if takes_part && arguments.against.iter().any(|wanted| wanted == name) {
            let zone = rivals::Served { apex: APEX, names: &names, is_signed: arguments.dnssec };
            rivals.push(runtime.block_on(Rival::start(world, name, PORT + at as u16, &zone))?);
        }
    }
    let echo = Echo::start()?;
    let length = Duration::from_millis(arguments.round_ms);
    let queries = |missing_percent| queries(n_names, missing_percent, signing.is_some());
    let mixed = queries(arguments.missing_percent)?;
    let (present, missing) = (queries(0)?, queries(100)?);
    // The address, and its signature.
    let n_records = if signing.is_some() { 2 } else { 1 };
    let is_answer = |sent: &[u8], got: &[u8]| is_answer(sent, got, n_records);
    let own = served.running.address();
    let cpu_own = || cpu_time("dns-");
    let mut rounds: BTreeMap<(usize, String), Vec<Round>> = BTreeMap::new();
    for _ in 0..arguments.rounds.max(1) {
        let mut keep = |at: usize, who: &str, round: Result<Round>| -> Result<()> {
            rounds.entry((at, who.to_owned())).or_default().push(round?);
            Ok(())
        };
        keep(0, "echo", drive(echo.address, || cpu_time("echo"), &mixed, length, |sent, got| sent == got))?;
        keep(1, "koinon", drive(own, cpu_own, &mixed, length, is_answer))?;
        keep(2, "koinon, names that exist", drive(own, cpu_own, &present, length, is_answer))?;
        keep(3, "koinon, names that do not", drive(own, cpu_own, &missing, length, is_answer))?;
        for (at, rival) in rivals.iter().enumerate() {
            let round = drive(rival.address(), || rival.cpu_time(), &mixed, length, is_answer);
            keep(4 + at, rival.name(), round)?;
        }
    }
    echo.stop()?;
    served.stop.send_replace(true);
    runtime.block_on(served.running.run());
    let figures = rounds.into_iter().map(|((_, who), rounds)| Figure::of(who, &rounds)).collect();
    Ok(Case { n_names, build, change, figures })
}

impl Figure {
    fn of(who: String, rounds: &[Round]) -> Self {
        let median = |figure: fn(&Round) -> f64| {
            let mut figures: Vec<f64> = rounds.iter().map(figure).collect();
            figures.sort_by(f64::total_cmp);
            figures[figures.len() / 2]
        };
        Self {
            who,
            cpu_us: median(|round| round.cpu_us),
            per_second: median(|round| round.per_second),
            n_lost: rounds.iter().map(|round| round.n_lost).sum(),
        }
    }
}

fn tell(case: &Case) {
    let ms = |time: Duration| format!("{:.0} ms", time.as_secs_f64() * 1000.0);
    println!("{}", line("names served", &case.n_names.to_string(), ""));
    println!("{}", line("  first table until answered", &ms(case.build), ""));
    println!("{}", line("  a change until answered", &ms(case.change), ""));
    let echo_us = case.figures[0].cpu_us;
    for figure in &case.figures {
        let Figure { who, cpu_us, per_second, n_lost } = figure;
        let lost = if *n_lost == 0 { String::new() } else { format!(", {n_lost} lost") };
        let beside = format!("{:.2} × echo, {per_second:.0}/s{lost}", cpu_us / echo_us);
        println!("{}", line(&format!("  {who}: processor time each"), &format!("{cpu_us:.3} µs"), &beside));
    }
}

/// Shape: the usual size at the top, every size below.
fn figures(cases: &[Case]) -> Value {
    let each = cases.iter().map(|case| {
        let echo_us = case.figures[0].cpu_us;
        let servers = case.figures.iter().map(|figure| {
            json!({
                "who": figure.who, "answer_us": figure.cpu_us, "ratio": figure.cpu_us / echo_us,
                "per_s": figure.per_second, "lost": figure.n_lost,
            })
        });
        json!({
            "names": case.n_names, "echo_us": echo_us, "servers": servers.collect::<Vec<_>>(),
            "build_ms": case.build.as_secs_f64() * 1000.0, "change_ms": case.change.as_secs_f64() * 1000.0,
        })
    });
    let mut figures = json!({"cases": each.collect::<Vec<_>>()});
    if let Some(usual) = cases.iter().find(|case| case.n_names == NAMES_USUAL).or(cases.first()) {
        let (echo, own) = (usual.figures[0].cpu_us, usual.figures[1].cpu_us);
        figures["names"] = json!(usual.n_names);
        figures["echo_us"] = json!(echo);
        figures["answer_us"] = json!(own);
        figures["ratio"] = json!(own / echo);
    }
    figures
}

/// A thread that sends every datagram back.
struct Echo {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<std::io::Result<()>>,
}

// === impl Echo ===

impl Echo {
    fn start() -> Result<Self> {
        let socket = socket()?;
        let address = socket.local_addr().context("ask for the echo's address")?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("echo".into());
        let thread = thread.spawn(move || echo(&socket, &stopped)).context("start the echo")?;
        Ok(Self { address, stop, thread })
    }

    fn stop(self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow::anyhow!("the echo panicked"))?.context("run the echo")
    }
}

/// The real server, in this process.
struct Served {
    running: Running,
    table: watch::Sender<Arc<NameTable>>,
    answers: mpsc::Receiver<AnswerReport>,
    stop: watch::Sender<bool>,
}

// === impl Served ===

impl Served {
    fn start() -> Result<Self> {
        let (table, follow) = watch::channel(Arc::default());
        let ((probes, _), (answer_sender, answers)) = (mpsc::channel(1), mpsc::channel(1));
        let (stop, stopped) = watch::channel(false);
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let config = Config {
            listen,
            n_threads: 1,
            vantage: "bench".to_owned(),
            nsid: "bench".try_into().context("it is short")?,
            secret: CookieSecret::new([1; 32]),
            limit: None,
            seed: [1, 2],
            geo_dbs: Vec::new(),
            secure: None,
            data_dir: None,
        };
        let running = serve::start(config, follow, probes, answer_sender, stopped)?;
        Ok(Self { running, table, answers, stop })
    }

    /// Publishes a table and waits until it is answered. Answers how long that took.
    async fn publish(&mut self, table: NameTable) -> Result<Duration> {
        let started = Instant::now();
        self.table.send_replace(Arc::new(table));
        let reported = tokio::time::timeout(BUILD_MAX, self.answers.recv()).await;
        reported.context("the server built no snapshot")?.context("the server ended")?;
        Ok(started.elapsed())
    }
}

fn host(number: usize) -> String {
    format!("shop-{number}.{APEX}")
}

fn address(number: usize, cluster: usize) -> Ipv4Addr {
    Ipv4Addr::from(0x0a00_0000 | (number * 4 + cluster) as u32)
}

/// A new key that signs everything.
fn signing() -> Result<Signing> {
    let (algorithm, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
    let refused = |_| anyhow::anyhow!("failed to make a key");
    let private = EcdsaKeyPair::generate_pkcs8(algorithm, &random).map_err(refused)?;
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, private.as_ref(), &random)
        .map_err(|error| anyhow::anyhow!("failed to read a key: {error}"))?;
    let key = SigningKey {
        public: pair.public_key().as_ref()[1..].to_vec(),
        private: Secret::new(private.as_ref().to_vec()),
        is_entry_point: true,
        signs: Signs::Everything,
        for_parent: true,
    };
    let parent = ParentWish::Trust;
    Ok(Signing { keys: vec![key], parent, validity: 7 * 86400, ttl: 3600 })
}

fn table(n_names: usize, generation: u64, signing: Option<Signing>) -> NameTable {
    let soa = Soa {
        mname: "ns.global.example".to_owned(),
        rname: "hostmaster.global.example".to_owned(),
        refresh: 3600,
        retry: 600,
        expire: 86400,
        minimum: 60,
        ttl: 300,
    };
    let zone = Zone {
        apex: APEX.to_owned(),
        soa,
        name_servers: Vec::new(),
        records: Vec::new(),
        transfer: Transfer::default(),
        updates: Updates::default(),
        signing,
    };
    let mut records: Vec<Record> = (0..n_names).map(record).collect();
    records.sort_by(|one, other| one.host.cmp(&other.host));
    NameTable { generation, zones: vec![zone], records }
}

fn record(number: usize) -> Record {
    let endpoint = |(cluster, weight): (usize, u32)| Endpoint {
        cluster: format!("cluster-{cluster}"),
        target: Target::Ip(address(number, cluster).into()),
        weight,
        state: EndpointState::Serving,
        since_ms: 0,
        evidence: "ready".to_owned(),
        forced: None,
        ramp: None,
    };
    Record {
        source: RecordRef { namespace: "load".to_owned(), name: format!("shop-{number}") },
        host: host(number),
        zone: APEX.to_owned(),
        endpoints: [6, 2, 2].into_iter().enumerate().map(endpoint).collect(),
        routing: Vec::new(),
        addresses_max: 1,
        ttl: Ttl { stable: 30, unstable: 5 },
        unstable: false,
        on_all_down: OnAllDown::LastKnownGood,
        healthy_share_min_percent: 0,
        check: None,
    }
}

/// As many queries as there are names, in an order that jumps about as real clients do; with EDNS, as resolvers ask.
fn queries(n_names: usize, missing_percent: usize, dnssec_ok: bool) -> Result<Vec<Vec<u8>>> {
    /// A prime larger than any table that is measured: each name is asked for once before any again.
    const STRIDE: usize = 1_000_000_007;
    let query = |at: usize| {
        let number = at * STRIDE % n_names;
        let name = if at % 100 < missing_percent { format!("gone-{number}.{APEX}") } else { host(number) };
        let name: Name = name.parse().context("our names are names")?;
        let id = (number as u16).to_be_bytes();
        let head = [id[0], id[1], 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
        let dnssec_ok = if dnssec_ok { 0x80 } else { 0 };
        let tail = [0, 1, 0, 1, 0, 0, 41, 4, 0xd0, 0, 0, dnssec_ok, 0, 0, 0];
        Ok([&head[..], name.wire(), &tail].concat())
    };
    (0..n_names).map(query).collect()
}

/// The question's id and authority; so many records for a name that exists, NXDOMAIN for another.
fn is_answer(sent: &[u8], got: &[u8], n_records: u8) -> bool {
    let (rcode, n_answers) = if sent.get(13) == Some(&b'g') { (3, 0) } else { (0, n_records) };
    got.len() > 12
        && got[..2] == sent[..2]
        && got[2] & 0x84 == 0x84
        && got[3] & 0xf == rcode
        && got[6..8] == [0, n_answers]
}

fn socket() -> Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("open a socket on loopback")?;
    socket.set_read_timeout(Some(LOST_AFTER)).context("set a timeout")?;
    Ok(socket)
}

/// Keeps a server busy for one round.
fn drive(
    server: SocketAddr,
    cpu_time: impl Fn() -> Result<Duration>,
    queries: &[Vec<u8>],
    length: Duration,
    is_good: impl Fn(&[u8], &[u8]) -> bool,
) -> Result<Round> {
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let socket = socket()?;
        socket.connect(server).with_context(|| format!("connect to {server}"))?;
        clients.push((socket, Datagrams::default()));
    }
    let mut next = (0..queries.len()).cycle();
    let mut asked = vec![[0; WIDTH]; CLIENTS];
    let mut ask = |client: &mut (UdpSocket, Datagrams), asked: &mut [usize; WIDTH]| -> Result<()> {
        for (at, place) in asked.iter_mut().enumerate() {
            *place = next.next().context("there are names")?;
            client.1.put(at, &queries[*place]);
        }
        let n_sent = client.1.send(&client.0, WIDTH).context("send queries")?;
        ensure!(n_sent == WIDTH, "the kernel took {n_sent} of {WIDTH} queries");
        Ok(())
    };
    for (client, asked) in clients.iter_mut().zip(&mut asked) {
        ask(client, asked)?;
    }
    let (started, cpu_before) = (Instant::now(), cpu_time()?);
    let (mut n_good, mut n_lost) = (0_usize, 0);
    while started.elapsed() < length {
        for (client, asked) in clients.iter_mut().zip(&mut asked) {
            let mut n_received = 0;
            while n_received < WIDTH {
                // The timeout: the rest of this batch is lost.
                let Ok(n_more) = client.1.receive(&client.0) else { break };
                for at in 0..n_more {
                    // One thread answers one client in order, unless something was lost.
                    let sent = &queries[asked[(n_received + at).min(WIDTH - 1)]];
                    n_good += usize::from(is_good(sent, client.1.at(at)));
                }
                n_received += n_more;
            }
            n_lost += WIDTH - n_received.min(WIDTH);
            ask(client, asked)?;
        }
    }
    let (took, cpu) = (started.elapsed(), cpu_time()?.saturating_sub(cpu_before));
    ensure!(n_good > 0, "{server} gave no good answer");
    #[expect(clippy::cast_precision_loss, reason = "a count of seconds' worth of datagrams is exact")]
    let n_good = n_good as f64;
    let cpu_us = cpu.as_secs_f64() * 1e6 / n_good;
    Ok(Round { cpu_us, per_second: n_good / took.as_secs_f64(), n_lost })
}
