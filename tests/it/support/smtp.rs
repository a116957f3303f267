//! A mail server on loopback that holds a real dialogue and misbehaves on request.
//!
//! [`SmtpServer::plan`] queues what it does the next time a stage is reached; without a plan it is a
//! good server. It keeps every message that it took, whether or not it told the client so.

mod plan;
mod state;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::support::tls::PrivateCa;

pub(crate) use plan::{Act, At};
pub(crate) use state::Received;
use state::State;

/// How late an answer comes that is only late.
const LATE: Duration = Duration::from_millis(40);
/// What a server offers of which nobody says more.
const OFFERS: &[&str] = &["8BITMIME", "AUTH PLAIN LOGIN"];
/// What a narrow server is sent at once, and what it keeps unread.
const SEGMENT_BYTES: u32 = 536;
const BUFFER_BYTES: u32 = 2_048;
const BACKLOG: u32 = 128;

/// How the server encrypts.
#[derive(Clone)]
pub(crate) enum Mode {
    Clear,
    StartTls(TlsAcceptor),
    Implicit(TlsAcceptor),
}

/// The server; stops when dropped.
pub(crate) struct SmtpServer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl SmtpServer {
    pub(crate) async fn start(mode: Mode) -> Self {
        Self::offering(mode, OFFERS).await
    }

    /// A server with these extensions.
    pub(crate) async fn offering(mode: Mode, offers: &[&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        Self::at(listener, mode, offers)
    }

    /// A server to which little is on its way while it does not read: some 50 kB.
    pub(crate) fn narrow(mode: Mode) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        SockRef::from(&socket)
            .set_tcp_mss(SEGMENT_BYTES)
            .expect("TCP");
        socket.set_recv_buffer_size(BUFFER_BYTES).expect("a socket");
        socket.bind(([127, 0, 0, 1], 0).into()).expect("loopback");
        Self::at(socket.listen(BACKLOG).expect("bound"), mode, OFFERS)
    }

    fn at(listener: TcpListener, mode: Mode, offers: &[&'static str]) -> Self {
        let address = listener.local_addr().expect("bound");
        let state = Arc::new(Mutex::new(State {
            offers: offers.to_vec(),
            ..State::default()
        }));
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (mode, state) = (mode.clone(), Arc::clone(&shared));
                state.lock().unwrap().enter();
                tokio::spawn(async move {
                    serve(tcp, mode, Arc::clone(&state)).await;
                    state.lock().unwrap().open -= 1;
                });
            }
        });
        Self {
            address,
            state,
            task,
        }
    }

    /// `127.0.0.1:port`.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of a server that speaks in the clear.
    pub(crate) fn clear_url(&self) -> String {
        format!("smtp://{}?tls=none", self.address)
    }

    /// The next time `at` is reached the server does `act`; plans for one stage are used in order.
    pub(crate) fn plan(&self, at: At, act: Act) {
        self.state.lock().unwrap().plans.push_back((at, act));
    }

    /// What was planned and did not happen does not happen any more.
    pub(crate) fn forget_plans(&self) {
        self.state.lock().unwrap().plans.clear();
    }

    /// Every message the server took.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.state.lock().unwrap().received.clone()
    }

    /// Those that it took after the first so many.
    pub(crate) fn received_after(&self, count: usize) -> Vec<Received> {
        self.state.lock().unwrap().received[count..].to_vec()
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }

    /// How many are open.
    pub(crate) fn open(&self) -> usize {
        self.state.lock().unwrap().open
    }

    /// Refuses further connections while so many are open.
    pub(crate) fn allow_at_once(&self, connections: usize) {
        self.state.lock().unwrap().open_max = Some(connections);
    }

    /// How often it has fallen silent.
    pub(crate) fn stalls(&self) -> usize {
        self.state.lock().unwrap().stalls
    }

    /// How many commands came before it had answered the one before them.
    pub(crate) fn ahead(&self) -> usize {
        self.state.lock().unwrap().ahead
    }

    /// How often it has asked for a text.
    pub(crate) fn asked(&self) -> usize {
        self.state.lock().unwrap().asked
    }

    /// How many answers to a final dot it has written.
    pub(crate) fn answered(&self) -> usize {
        self.state.lock().unwrap().answered
    }

    /// Lets one answer go that waits.
    pub(crate) fn release(&self) {
        self.state.lock().unwrap().released.notify_one();
    }

    pub(crate) fn resets(&self) -> usize {
        self.state.lock().unwrap().resets
    }
}

trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// Why a connection ended.
struct Ended;

impl From<io::Error> for Ended {
    fn from(_: io::Error) -> Self {
        Self
    }
}

struct Connection {
    wire: BufReader<Box<dyn Wire>>,
    state: Arc<Mutex<State>>,
    encrypted: bool,
    offers_tls: bool,
    sender: Option<String>,
    mail_parameters: String,
    recipient: Option<String>,
    signed_in: Option<String>,
}

async fn serve(tcp: TcpStream, mode: Mode, state: Arc<Mutex<State>>) {
    tcp.set_nodelay(true).expect("a live socket");
    let mut encrypted = false;
    let wire: Box<dyn Wire> = match &mode {
        Mode::Implicit(acceptor) => match shake_hands(tcp, acceptor, &state).await {
            Ok(tls) => {
                encrypted = true;
                tls
            }
            Err(Ended) => return,
        },
        Mode::Clear | Mode::StartTls(_) => Box::new(tcp),
    };
    let mut connection = Connection {
        wire: BufReader::new(wire),
        state,
        encrypted,
        offers_tls: matches!(mode, Mode::StartTls(_)),
        sender: None,
        mail_parameters: String::new(),
        recipient: None,
        signed_in: None,
    };
    if connection
        .act(At::Greeting, "220 test.example ESMTP")
        .await
        .is_err()
    {
        return;
    }
    while let Ok(Some(line)) = connection.line().await {
        if line.eq_ignore_ascii_case("STARTTLS")
            && let Mode::StartTls(acceptor) = &mode
        {
            if connection.act(At::StartTls, "220 go ahead").await.is_err() {
                return;
            }
            let clear = connection.wire.into_inner();
            let Ok(tls) = shake_hands(clear, acceptor, &connection.state).await else {
                return;
            };
            connection.wire = BufReader::new(tls);
            connection.encrypted = true;
            connection.offers_tls = false;
        } else if connection.command(&line).await.is_err() {
            return;
        }
    }
}

/// Makes a connection private, unless something else is planned.
async fn shake_hands<W: Wire + 'static>(
    mut wire: W,
    acceptor: &TlsAcceptor,
    state: &Mutex<State>,
) -> Result<Box<dyn Wire>, Ended> {
    let planned = state.lock().unwrap().take_plan(At::Handshake);
    let stranger = matches!(planned, Some(Act::Pose)).then(|| PrivateCa::new().acceptor);
    match planned {
        None | Some(Act::Go | Act::Pose) => {}
        Some(Act::Slow) => tokio::time::sleep(LATE).await,
        Some(Act::Say(other)) => {
            // Whoever takes this for a handshake is not answered.
            wire.write_all(format!("{other}\r\n").as_bytes()).await?;
            wire.flush().await?;
        }
        Some(Act::Hang) => {
            state.lock().unwrap().stalls += 1;
            std::future::pending::<()>().await;
        }
        Some(_) => {
            // In the middle of it: the client's first word is heard.
            wire.read_u8().await?;
            return Err(Ended);
        }
    }
    let tls = stranger.as_ref().unwrap_or(acceptor).accept(wire).await?;
    Ok(Box::new(tls))
}

impl Connection {
    async fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        if self.wire.read_until(b'\n', &mut line).await? == 0 {
            return Ok(None);
        }
        Ok(Some(
            String::from_utf8_lossy(&line)
                .trim_end_matches(['\r', '\n'])
                .to_owned(),
        ))
    }

    async fn say(&mut self, reply: &str) -> Result<(), Ended> {
        self.wire
            .write_all(format!("{reply}\r\n").as_bytes())
            .await?;
        self.wire.flush().await?;
        Ok(())
    }

    fn planned(&self, at: At) -> Option<Act> {
        self.state.lock().unwrap().take_plan(at)
    }

    /// Says nothing more.
    async fn stall<T>(&mut self) -> T {
        self.state.lock().unwrap().stalls += 1;
        std::future::pending().await
    }

    async fn wait_for_release(&mut self) {
        let released = Arc::clone(&self.state.lock().unwrap().released);
        self.state.lock().unwrap().stalls += 1;
        released.notified().await;
    }

    /// Does what is planned here; otherwise says `reply`. True if it was not planned.
    async fn act(&mut self, at: At, reply: &str) -> Result<bool, Ended> {
        match self.planned(at) {
            None | Some(Act::Go) => {
                self.say(reply).await?;
                Ok(true)
            }
            Some(Act::Say(other)) => {
                self.say(other).await?;
                Ok(false)
            }
            Some(Act::SayAndDrop(other)) => {
                self.say(other).await?;
                Err(Ended)
            }
            Some(Act::Hang | Act::TakeAndHang) => self.stall().await,
            Some(Act::Slow) => {
                tokio::time::sleep(LATE).await;
                self.say(reply).await?;
                Ok(true)
            }
            Some(Act::TakeAndWait) => {
                self.wait_for_release().await;
                self.say(reply).await?;
                Ok(true)
            }
            Some(Act::TakeAnswerAndDrop) => {
                self.say(reply).await?;
                Err(Ended)
            }
            Some(Act::Drop | Act::TakeAndDrop | Act::Pose) => Err(Ended),
        }
    }

    async fn command(&mut self, line: &str) -> Result<(), Ended> {
        if !self.wire.buffer().is_empty() {
            self.state.lock().unwrap().ahead += 1;
        }
        let verb = line
            .split([' ', ':'])
            .next()
            .unwrap_or_default()
            .to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" => {
                let mut lines = vec!["250-test.example"];
                lines.extend(self.offers_tls.then_some("250-STARTTLS"));
                let offers = self.state.lock().unwrap().offers.clone();
                let offers: Vec<String> =
                    offers.iter().map(|offer| format!("250-{offer}")).collect();
                lines.extend(offers.iter().map(String::as_str));
                lines.push("250 HELP");
                self.act(At::Ehlo, &lines.join("\r\n")).await?;
            }
            "AUTH" if line.eq_ignore_ascii_case("AUTH LOGIN") => {
                let mut said = Vec::new();
                // "Username:" and "Password:".
                for question in ["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6"] {
                    self.say(question).await?;
                    said.push(self.line().await?.ok_or(Ended)?);
                }
                if self.act(At::Auth, "235 2.7.0 welcome").await? {
                    self.signed_in = Some(said.join(" "));
                }
            }
            "AUTH" => {
                if self.act(At::Auth, "235 2.7.0 welcome").await? {
                    self.signed_in = line.split(' ').next_back().map(str::to_owned);
                }
            }
            "MAIL" => {
                if self.act(At::Mail, "250 2.1.0 ok").await? {
                    self.sender = Some(address(line));
                    let behind = line.split_once('>').map(|(_, rest)| rest.trim());
                    self.mail_parameters = behind.unwrap_or_default().to_owned();
                }
            }
            "RCPT" => {
                if self.act(At::Rcpt, "250 2.1.5 ok").await? {
                    self.recipient = Some(address(line));
                }
            }
            "DATA" if self.recipient.is_none() => {
                self.act(At::Data, "503 5.5.1 whom for?").await?;
            }
            "DATA" => {
                if self.act(At::Data, "354 go ahead").await? {
                    self.state.lock().unwrap().asked += 1;
                    self.data().await?;
                }
            }
            "RSET" => {
                self.state.lock().unwrap().resets += 1;
                (self.sender, self.recipient) = (None, None);
                self.act(At::Rset, "250 2.0.0 forgotten").await?;
            }
            "NOOP" => self.say("250 2.0.0 ok").await?,
            "QUIT" => {
                self.say("221 2.0.0 bye").await?;
                return Err(Ended);
            }
            _ => self.say("500 5.5.1 what?").await?,
        }
        Ok(())
    }

    async fn data(&mut self) -> Result<(), Ended> {
        let mut text = String::new();
        loop {
            let line = self.line().await?.ok_or(Ended)?;
            if line == "." {
                break;
            }
            text.push_str(line.strip_prefix('.').unwrap_or(&line));
            text.push_str("\r\n");
            match self.planned(At::Body) {
                Some(Act::Hang) => self.stall().await,
                Some(Act::Slow) => tokio::time::sleep(LATE).await,
                Some(Act::TakeAndWait) => self.wait_for_release().await,
                Some(_) => return Err(Ended),
                None => {}
            }
        }
        let received = Received {
            sender: self.sender.take().unwrap_or_default(),
            recipient: self.recipient.take().unwrap_or_default(),
            mail_parameters: std::mem::take(&mut self.mail_parameters),
            text,
            encrypted: self.encrypted,
            signed_in: self.signed_in.clone(),
        };
        let next = self
            .state
            .lock()
            .unwrap()
            .plans
            .iter()
            .find(|(at, _)| *at == At::Dot)
            .copied();
        let takes = match next {
            None => true,
            Some((_, act)) => {
                matches!(
                    act,
                    Act::Slow
                        | Act::TakeAndDrop
                        | Act::TakeAndHang
                        | Act::TakeAnswerAndDrop
                        | Act::TakeAndWait
                )
            }
        };
        if takes {
            self.state.lock().unwrap().received.push(received);
        }
        self.act(At::Dot, "250 2.0.0 taken").await?;
        self.state.lock().unwrap().answered += 1;
        Ok(())
    }
}

fn address(line: &str) -> String {
    let inner = line
        .split_once('<')
        .and_then(|(_, rest)| rest.split_once('>'));
    inner
        .map(|(address, _)| address.to_owned())
        .unwrap_or_default()
}
