//! HTTP beside Bunkercoin's network, over real sockets: what goes in by one request comes out by the next, at the chain
//! port and as an event. Knows how a block is made.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ed25519_dalek::{Signer, SigningKey};
use peer_relay::protocol::bunkercoin::{Block, Header, ROUNDS, Transaction, VERSION, merkle_root, nonce};
use peer_relay::protocol::http::MIN_LENT_BYTES;
use socket2::{Domain, Socket, Type};

use crate::support::{Lines, PATIENCE, Relay};

const EMPTY: &str = r#"{"height":0,"latest_hash":""}"#;

fn relay(more: &[&str]) -> Relay {
    let ports = ["--listen-http", "127.0.0.1:0", "--listen-chain", "127.0.0.1:0"];
    Relay::start(&[&ports, more].concat())
}

/// A connection of somebody who speaks HTTP, or whatever it likes.
struct Client {
    stream: TcpStream,
    /// What has come and is not looked at.
    read: Vec<u8>,
}

/// Status line and headers, and the body.
#[derive(Debug)]
struct Reply {
    head: String,
    body: String,
}

impl Client {
    fn of(relay: &Relay) -> Self {
        Self::connect(relay.address_for("http"))
    }

    fn connect(to: SocketAddr) -> Self {
        Self::over(TcpStream::connect(to).unwrap())
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream, read: Vec::new() }
    }

    fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Reads up to and with the next of these.
    fn up_to(&mut self, end: &str) -> String {
        loop {
            let found = self.read.windows(end.len()).position(|window| window == end.as_bytes());
            if let Some(at) = found {
                return self.take(at + end.len());
            }
            assert!(self.read_more(), "{end:?} did not come: {}", self.read.escape_ascii());
        }
    }

    fn take(&mut self, len: usize) -> String {
        while self.read.len() < len {
            assert!(self.read_more(), "an end: {}", self.read.escape_ascii());
        }
        let rest = self.read.split_off(len);
        String::from_utf8(std::mem::replace(&mut self.read, rest)).unwrap()
    }

    fn read_more(&mut self) -> bool {
        let mut buffer = [0; 4096];
        let len = self.stream.read(&mut buffer).expect("something, or an end");
        self.read.extend_from_slice(&buffer[..len]);
        len > 0
    }

    fn reply(&mut self) -> Reply {
        let head = self.up_to("\r\n\r\n");
        let len = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let body = self.take(len.unwrap_or("0").parse().unwrap());
        Reply { head, body }
    }

    /// The next reply, which is the last.
    fn last_reply(&mut self) -> Reply {
        let reply = self.reply();
        assert!(reply.head.contains("\r\nConnection: close\r\n"), "{reply:?}");
        self.expect_end();
        reply
    }

    fn expect_end(&mut self) {
        while self.read_more() {}
        assert_eq!(self.read.escape_ascii().to_string(), "", "something came before the end");
    }

    fn ask(&mut self, request: &str) -> Reply {
        self.send(request);
        self.reply()
    }

    fn get(&mut self, path: &str) -> String {
        let reply = self.ask(&get(path));
        assert!(reply.head.starts_with("HTTP/1.1 200 OK\r\n"), "{reply:?}");
        reply.body
    }

    /// The status and the body.
    fn post(&mut self, path: &str, body: &str) -> (u16, String) {
        let reply = self.ask(&post(path, body));
        (reply.status(), reply.body)
    }

    /// From now on events come.
    fn listen(&mut self) {
        self.send(get("/events"));
        let head = self.up_to("\r\n\r\n");
        assert!(head.contains("\r\nContent-Type: text/event-stream\r\n"), "{head}");
        assert_eq!(self.event(), ":");
    }

    fn event(&mut self) -> String {
        self.up_to("\n\n").trim_end().into()
    }
}

/// A client whose kernel takes little at a time.
fn narrow(to: SocketAddr) -> Client {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&to.into()).unwrap();
    Client::over(socket.into())
}

impl Reply {
    fn status(&self) -> u16 {
        self.head["HTTP/1.1 ".len()..][..3].parse().unwrap()
    }
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: node\r\n\r\n")
}

fn post(path: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: node\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn transaction(nonce: u64) -> Transaction {
    let key = SigningKey::from_bytes(&[7; 32]);
    let (sender, recipient) = (key.verifying_key().to_bytes(), [9; 32]);
    let unsigned = Transaction { sender, recipient, amount: u64::MAX, nonce, signature: [0; 64] };
    Transaction { signature: key.sign(&unsigned.signed_bytes()).to_bytes(), ..unsigned }
}

/// The block behind another, or the first, with these transactions in the order of their hashes.
fn block(before: Option<&Block>, transactions: Vec<Transaction>) -> Block {
    let prev_hash = before.map_or([0; 32], |block| block.header.hash().0);
    let timestamp = before.map_or(30 * 60_000_000, |block| block.header.timestamp + 30);
    let mut vdf_output = *blake3::hash(&prev_hash).as_bytes();
    for _ in 0..ROUNDS {
        vdf_output = *blake3::hash(&vdf_output).as_bytes();
    }
    let header = Header {
        version: VERSION,
        prev_hash,
        merkle_root: merkle_root(&transactions).0,
        timestamp,
        vdf_output,
        difficulty: ROUNDS,
        nonce: nonce(&prev_hash, timestamp),
        tx_count: transactions.len().try_into().unwrap(),
        signature: Vec::new(),
    };
    Block { header, transactions }
}

fn json(text: Vec<u8>) -> String {
    String::from_utf8(text).unwrap()
}

fn reach(height: usize, last: &Block) -> String {
    let mut hex = String::new();
    for byte in last.header.hash().0 {
        write!(hex, "{byte:02x}").unwrap();
    }
    format!(r#"{{"height":{height},"latest_hash":"{hex}"}}"#)
}

#[test]
fn what_goes_in_by_one_request_comes_out_everywhere() {
    let relay = relay(&[]);
    let (mut client, mut reader) = (Client::of(&relay), Client::of(&relay));
    let mut neighbour = Client::connect(relay.address_for("chain"));
    assert_eq!(neighbour.up_to("\"GetMempool\"\n"), "\"GetChain\"\n\"GetMempool\"\n");
    reader.listen();
    assert_eq!(["/sync", "/chain", "/mempool"].map(|path| client.get(path)), [EMPTY, "[]", "[]"]);

    let given = transaction(u64::MAX);
    let text = json(given.to_json());
    assert_eq!(client.post("/tx", &text), (200, "OK".into()));
    assert_eq!(client.post("/tx", &text), (200, "OK".into()), "it is there, whoever brought it");
    assert_eq!(client.get("/mempool"), format!("[{text}]"), "to the last digit");
    assert_eq!(reader.event(), format!("event: transaction\ndata: {text}"));
    assert_eq!(neighbour.up_to("\n"), format!("{{\"NewTransaction\":{text}}}\n"));

    let first = block(None, vec![given]);
    let text = json(first.to_json());
    assert_eq!(client.post("/broadcast", &text), (200, "OK".into()));
    assert_eq!(client.get("/chain"), format!("[{text}]"));
    assert_eq!((client.get("/sync"), client.get("/mempool")), (reach(1, &first), "[]".into()));
    assert_eq!(reader.event(), format!("event: block\ndata: {text}"));
    assert_eq!(neighbour.up_to("\n"), format!("{{\"NewBlock\":{text}}}\n"));

    let second = json(block(Some(&first), Vec::new()).to_json());
    neighbour.send(format!("{{\"NewBlock\":{second}}}\n"));
    assert_eq!(reader.event(), format!("event: block\ndata: {second}"), "and what peers bring too");
    assert_eq!(client.get("/chain"), format!("[{text},{second}]"));
    relay.stop();
}

#[test]
fn what_is_not_right_is_refused_in_words_and_the_connection_stays() {
    let relay = relay(&[]);
    let mut client = Client::of(&relay);
    let mut forged = transaction(1);
    forged.amount -= 1;
    let mut wrong = block(None, Vec::new());
    wrong.header.vdf_output[0] ^= 1;
    for (path, text, error) in [
        ("/tx", json(forged.to_json()), "Invalid transaction"),
        ("/tx", "{".into(), "Invalid transaction"),
        ("/tx", "[".repeat(10_000), "Invalid transaction"),
        ("/broadcast", json(wrong.to_json()), "Invalid block"),
        ("/broadcast", json(transaction(1).to_json()), "Invalid block"),
        ("/broadcast", String::new(), "Invalid block"),
        ("/broadcast", json(block(Some(&wrong), Vec::new()).to_json()), "Invalid block"),
    ] {
        let (status, body) = client.post(path, &text);
        assert!(status == 400 && body.starts_with(&format!("{{\"error\":\"{error}\",\"code\":")), "{body}");
        assert!(body.contains(",\"details\":{\"reason\":\""), "{body}");
    }
    assert_eq!((client.get("/sync").as_str(), client.get("/mempool").as_str()), (EMPTY, "[]"));
    relay.stop();
}

#[test]
fn replies_keep_the_order_of_the_requests_while_a_block_is_checked() {
    let relay = relay(&[]);
    let mut client = Client::of(&relay);
    let first = block(None, Vec::new());
    let second = block(Some(&first), Vec::new());
    let texts = [&first, &second].map(|block| json(block.to_json()));
    let blocks = texts.each_ref().map(|text| post("/broadcast", text));
    client
        .send([blocks[0].clone(), get("/sync"), get("/nothing"), blocks[1].clone(), get("/chain")].concat());
    let got: Vec<(u16, String)> =
        (0..5).map(|_| client.reply()).map(|got| (got.status(), got.body)).collect();
    let nothing = r#"{"error":"Not found","code":"NOT_FOUND","details":{}}"#;
    let chain = format!("[{}]", texts.join(","));
    let expected = [
        (200, "OK".to_string()),
        (200, reach(1, &first)),
        (404, nothing.into()),
        (200, "OK".into()),
        (200, chain),
    ];
    assert_eq!(got, expected);
    relay.stop();
}

#[test]
fn a_long_chain_comes_as_slowly_as_it_is_taken_though_the_connection_is_to_end() {
    const BLOCKS: usize = 300;
    let relay = relay(&["--send-buffer", "4096", "--drain", "100ms"]);
    let mut blocks: Vec<Block> = Vec::new();
    for _ in 0..BLOCKS {
        blocks.push(block(blocks.last(), Vec::new()));
    }
    let texts: Vec<String> = blocks.iter().map(|block| json(block.to_json())).collect();
    let mut client = Client::of(&relay);
    client.send(texts.iter().map(|text| post("/broadcast", text)).collect::<String>());
    for _ in 0..BLOCKS {
        assert_eq!(client.reply().body, "OK");
    }
    let chain = format!("[{}]", texts.join(","));
    assert!(chain.len() > MIN_LENT_BYTES && client.get("/chain") == chain);

    let mut slow = narrow(relay.address_for("http"));
    slow.send("GET /chain HTTP/1.0\r\n\r\n");
    let began = Instant::now();
    while slow.read_more() {
        std::thread::sleep(Duration::from_millis(5)); // a link that is slow, not somebody who waits for us
    }
    let text = String::from_utf8(slow.read).unwrap();
    assert!(text.split_once("\r\n\r\n").unwrap().1 == chain);
    assert!(began.elapsed() > Duration::from_millis(200), "too fast to show anything");
    relay.said(&[" closed reason=served "]);
    relay.stop();
}

#[test]
fn whoever_half_closes_still_gets_its_verdict() {
    let relay = relay(&[]);
    let mut client = Client::of(&relay);
    client.send(post("/broadcast", &json(block(None, Vec::new()).to_json())) + &get("/sync"));
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!((client.reply().body.as_str(), client.reply().status()), ("OK", 200));
    client.expect_end();
    relay.stop();
}

#[test]
fn what_could_be_read_in_two_ways_is_refused_and_bans_nobody() {
    let relay = relay(&[]);
    let host = "Host: node\r\n";
    let behind = get("/sync");
    for (status, shape) in [
        (400, format!("POST /tx HTTP/1.1\r\n{host}Content-Length: 4\r\nContent-Length: 4\r\n\r\nfour")),
        (
            400,
            format!("POST /tx HTTP/1.1\r\n{host}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\nfour"),
        ),
        (501, format!("POST /tx HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")),
        (400, "GET /sync HTTP/1.1\nHost: node\n\n".into()),
        (400, "GET /sync HTTP/1.1\r\n\r\n".into()),
        (505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into()),
        (413, format!("POST /tx HTTP/1.1\r\n{host}Content-Length: 64001\r\n\r\n")),
        (400, "\x16\x03\x01\x02".into()),
    ] {
        let mut client = Client::of(&relay);
        client.send(format!("{shape}{behind}"));
        assert_eq!(client.last_reply().status(), status, "{shape:?}");
    }
    assert_eq!(Client::of(&relay).get("/sync"), EMPTY);
    let log = relay.stop();
    assert!(!log.iter().any(|line| line.contains(" banned ")), "{log:#?}");
}

#[test]
fn a_megabyte_of_header_is_refused_at_its_beginning_and_the_refusal_arrives() {
    let relay = relay(&[]);
    let mut client = Client::of(&relay);
    client.send(format!("GET /sync HTTP/1.1\r\nHost: node\r\nX: {}\r\n\r\n", "x".repeat(1 << 20)));
    assert_eq!(client.last_reply().status(), 431);
    relay.stop();
}

#[test]
fn a_body_that_never_comes_is_given_up_and_holds_up_nobody() {
    let relay = relay(&[]);
    let mut waiting = Client::of(&relay);
    let expects = "Content-Length: 100\r\nExpect: 100-continue";
    waiting.send(format!("POST /tx HTTP/1.1\r\nHost: node\r\n{expects}\r\n\r\n"));
    assert_eq!(waiting.up_to("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    waiting.send("{");
    assert_eq!(Client::of(&relay).get("/sync"), EMPTY);
    assert_eq!(waiting.last_reply().status(), 408);
    relay.stop();
}

#[test]
fn a_reader_too_slow_for_the_events_is_cut_off_and_the_others_miss_nothing() {
    const MANY: u64 = 300;
    let limits = ["--max-payload", "10k", "--queue-hard", "40k", "--send-buffer", "4096"];
    let relay = relay(&limits);
    let mut slow = narrow(relay.address_for("http"));
    slow.listen();
    let mut reader = Client::of(&relay);
    reader.listen();
    let mut client = Client::of(&relay);
    for nonce in 0..MANY {
        let text = json(transaction(nonce).to_json());
        assert_eq!(client.post("/tx", &text), (200, "OK".into()));
        assert_eq!(reader.event(), format!("event: transaction\ndata: {text}"));
    }
    relay.said(&[" closed reason=queue-hard "]);
    relay.stop();
}

/// Dropped, it is killed.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn curl(relay: &Relay, path: &str, more: &[&str]) -> Command {
    let mut command = Command::new("curl");
    command.args(["-sS", "--max-time", "60"]).args(more);
    command.arg(format!("http://{}{path}", relay.address_for("http")));
    command
}

fn curled(relay: &Relay, path: &str, more: &[&str]) -> String {
    let ran = curl(relay, path, more).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

#[test]
fn curl_shows_the_chain_brings_to_it_and_follows_it() {
    if Command::new("curl").arg("--version").stdout(Stdio::null()).status().is_err() {
        println!("skipped: curl is not installed");
        return;
    }
    let relay = relay(&[]);
    assert_eq!(curled(&relay, "/sync", &[]), EMPTY);
    let mut follower = curl(&relay, "/events", &["-N"]).stdout(Stdio::piped()).spawn().unwrap();
    let events = Lines::of(follower.stdout.take().unwrap());
    let _follower = Running(follower);
    let has = |what: &str, line: String| {
        events.wait(what, |lines, _| lines.contains(&line).then_some(()));
    };
    has("the beginning", ":".into());

    let given = transaction(3);
    let text = json(given.to_json());
    assert_eq!(curled(&relay, "/tx", &["-d", &text]), "OK");
    has("the transaction", format!("data: {text}"));
    let first = block(None, vec![given]);
    let text = json(first.to_json());
    assert_eq!(curled(&relay, "/broadcast", &["-H", "Expect: 100-continue", "-d", &text]), "OK");
    has("the block", format!("data: {text}"));

    assert_eq!(curled(&relay, "/chain", &[]), format!("[{text}]"));
    assert_eq!(curled(&relay, "/mempool", &["--http1.0"]), "[]");
    assert_eq!(curled(&relay, "/sync", &[]), reach(1, &first));
    let code = ["-o", "/dev/null", "-w", "%{http_code}"];
    assert_eq!(curled(&relay, "/broadcast", &[&code[..], &["-d", "{}"]].concat()), "400");
    assert_eq!(curled(&relay, "/chain", &[&code[..], &["-I"]].concat()), "200");
    assert_eq!(curled(&relay, "/chain", &[&code[..], &["-X", "PUT"]].concat()), "405");
    relay.stop();
}

#[test]
fn a_hundred_who_ask_at_once_are_all_answered() {
    let relay = relay(&[]);
    let mut clients: Vec<Client> = (0..100).map(|_| Client::of(&relay)).collect();
    for client in &mut clients {
        client.send(get("/sync").repeat(20));
    }
    for client in &mut clients {
        for _ in 0..20 {
            assert_eq!(client.reply().body, EMPTY);
        }
    }
    relay.stop();
}
