//! Processor time per DNS answer, beside that of a batched UDP echo under the same load in the same run.
//!
//! The echo is the floor: the same system calls with nothing in between. Both have one thread, which one generator keeps
//! busy with as many questions in flight; rounds alternate, so that a busy machine disturbs both alike. Only the threads
//! that answer are counted, by the kernel's own account of them.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use koinon_dns::serve::{self, Config, Running};
use koinon_dns::wire::name::Name;
use koinon_tests::load::datagrams::{Datagrams, WIDTH, echo};
use koinon_tests::load::report::{line, write};
use koinon_tests::load::threads::cpu_time;
use koinon_types::names::{
    AnswerReport, Endpoint, EndpointState, NameTable, OnAllDown, Record, RecordRef, Soa, Target, Transfer,
    Ttl, Zone,
};
use serde_json::json;
use tokio::sync::{mpsc, watch};

/// Measures answers.
#[derive(Parser)]
struct Arguments {
    /// Global names served, each with three weighted addresses
    #[arg(long, default_value_t = 100_000)]
    names: usize,
    /// Length of one round, in milliseconds
    #[arg(long, default_value_t = 1500)]
    round_ms: u64,
    /// Rounds of each kind; the median counts
    #[arg(long, default_value_t = 7)]
    rounds: usize,
}

/// Clients of the generator, each with one batch in flight: enough that no thread ever waits for work.
const CLIENTS: usize = 4;

/// A datagram that does not come back within this time is lost.
const LOST_AFTER: Duration = Duration::from_millis(200);

/// A table of this size is built well within this time.
const BUILD_MAX: Duration = Duration::from_secs(30);

/// What one round came to.
struct Round {
    cpu_us: f64,
    per_second: f64,
    n_lost: usize,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut served = runtime.block_on(async { Served::start() })?;
    let build = runtime.block_on(served.publish(table(arguments.names, 1)))?;
    // The same table again, one generation on: what any change costs until it is answered.
    let change = runtime.block_on(served.publish(table(arguments.names, 2)))?;

    let echo_socket = socket()?;
    let echo_address = echo_socket.local_addr().context("ask for the echo's address")?;
    let stop_echo = Arc::new(AtomicBool::new(false));
    let echoing = {
        let stop = Arc::clone(&stop_echo);
        let thread = std::thread::Builder::new().name("echo".into());
        thread.spawn(move || echo(&echo_socket, &stop)).context("start the echo")?
    };
    let length = Duration::from_millis(arguments.round_ms);
    let queries = queries(arguments.names)?;
    let mut rounds = (Vec::new(), Vec::new());
    for _ in 0..arguments.rounds.max(1) {
        rounds.0.push(drive(echo_address, "echo", &queries, length, |sent, got| sent == got)?);
        rounds.1.push(drive(served.running.address(), "dns-", &queries, length, is_answer)?);
    }
    stop_echo.store(true, Ordering::Relaxed);
    let echoed = echoing.join();
    echoed.map_err(|_| anyhow::anyhow!("the echo panicked"))?.context("run the echo")?;
    served.stop.send_replace(true);
    runtime.block_on(served.running.run());
    tell(arguments.names, build, change, &rounds.0, &rounds.1)
}

fn tell(
    n_names: usize,
    build: Duration,
    change: Duration,
    echoes: &[Round],
    answers: &[Round],
) -> Result<()> {
    let median = |rounds: &[Round], figure: fn(&Round) -> f64| {
        let mut figures: Vec<f64> = rounds.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    };
    let cpu = |rounds| median(rounds, |round| round.cpu_us);
    let rate = |rounds| median(rounds, |round| round.per_second);
    let (echo_us, answer_us) = (cpu(echoes), cpu(answers));
    let n_lost: usize = echoes.iter().chain(answers).map(|round| round.n_lost).sum();
    let ratio = answer_us / echo_us;
    println!("{}", line("names served", &n_names.to_string(), ""));
    println!(
        "{}",
        line("first table until answered", &format!("{:.0} ms", build.as_secs_f64() * 1000.0), "")
    );
    println!("{}", line("a change until answered", &format!("{:.0} ms", change.as_secs_f64() * 1000.0), ""));
    println!("{}", line("echo: processor time each", &format!("{echo_us:.3} µs"), "the floor"));
    println!("{}", line("answer: processor time each", &format!("{answer_us:.3} µs"), "any figure"));
    println!("{}", line("answer against echo", &format!("{ratio:.2} ×"), "any figure"));
    println!("{}", line("echoes, one thread", &format!("{:.0} /s", rate(echoes)), ""));
    println!("{}", line("answers, one thread", &format!("{:.0} /s", rate(answers)), ""));
    println!("{}", line("datagrams lost", &n_lost.to_string(), ""));
    let figures = json!({
        "echo_us": echo_us, "answer_us": answer_us, "ratio": ratio, "names": n_names,
        "echoes_per_s": rate(echoes), "answers_per_s": rate(answers), "lost": n_lost,
        "build_ms": build.as_secs_f64() * 1000.0, "change_ms": change.as_secs_f64() * 1000.0,
    });
    println!("written to {}", write("dns", &figures)?.display());
    Ok(())
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
        let config =
            Config { listen, n_threads: 1, vantage: "bench".to_owned(), seed: [1, 2], data_dir: None };
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
    format!("shop-{number}.global.example")
}

fn table(n_names: usize, generation: u64) -> NameTable {
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
        apex: "global.example".to_owned(),
        soa,
        name_servers: Vec::new(),
        records: Vec::new(),
        transfer: Transfer::default(),
    };
    let mut records: Vec<Record> = (0..n_names).map(record).collect();
    records.sort_by(|one, other| one.host.cmp(&other.host));
    NameTable { generation, zones: vec![zone], records }
}

fn record(number: usize) -> Record {
    let endpoint = |(cluster, weight): (usize, u32)| Endpoint {
        cluster: format!("cluster-{cluster}"),
        target: Target::Ip(Ipv4Addr::from(0x0a00_0000 | (number * 4 + cluster) as u32).into()),
        weight,
        state: EndpointState::Serving,
        since_ms: 0,
        evidence: "ready".to_owned(),
    };
    Record {
        source: RecordRef { namespace: "load".to_owned(), name: format!("shop-{number}") },
        host: host(number),
        zone: "global.example".to_owned(),
        endpoints: [6, 2, 2].into_iter().enumerate().map(endpoint).collect(),
        addresses_max: 1,
        ttl: Ttl { stable: 30, unstable: 5 },
        unstable: false,
        on_all_down: OnAllDown::LastKnownGood,
        healthy_share_min_percent: 0,
        check: None,
    }
}

/// As many queries as there are names, in an order that jumps about as real clients do; with EDNS, as resolvers ask.
fn queries(n_names: usize) -> Result<Vec<Vec<u8>>> {
    /// A prime larger than any table that is measured: each name is asked for once before any again.
    const STRIDE: usize = 1_000_000_007;
    let query = |at: usize| {
        let number = at * STRIDE % n_names;
        let name: Name = host(number).parse().context("our names are names")?;
        let id = (number as u16).to_be_bytes();
        let head = [id[0], id[1], 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
        let tail = [0, 1, 0, 1, 0, 0, 41, 4, 0xd0, 0, 0, 0, 0, 0, 0];
        Ok([&head[..], name.wire(), &tail].concat())
    };
    (0..n_names).map(query).collect()
}

/// The question's id, NOERROR, with authority, one record.
fn is_answer(sent: &[u8], got: &[u8]) -> bool {
    got.len() > 12
        && got[..2] == sent[..2]
        && got[2] & 0x84 == 0x84
        && got[3] & 0xf == 0
        && got[6..8] == [0, 1]
}

fn socket() -> Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("open a socket on loopback")?;
    socket.set_read_timeout(Some(LOST_AFTER)).context("set a timeout")?;
    Ok(socket)
}

/// Keeps a server busy for one round; its threads are those named `threads…`.
fn drive(
    server: SocketAddr,
    threads: &str,
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
    let (started, cpu_before) = (Instant::now(), cpu_time(threads)?);
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
    let (took, cpu) = (started.elapsed(), cpu_time(threads)?.saturating_sub(cpu_before));
    ensure!(n_good > 0, "{server} gave no good answer");
    #[expect(clippy::cast_precision_loss, reason = "a count of seconds' worth of datagrams is exact")]
    let n_good = n_good as f64;
    let cpu_us = cpu.as_secs_f64() * 1e6 / n_good;
    Ok(Round { cpu_us, per_second: n_good / took.as_secs_f64(), n_lost })
}
