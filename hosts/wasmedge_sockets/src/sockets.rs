//! WasmEdge's socket functions for wasmtime: a table of sockets, and 15 functions on them.
//! Notice `Memory`: whatever a guest says of its memory is looked at before it is used.
//! Run: just run wasmedge_sockets

use std::collections::BTreeMap;
use std::io;
use std::mem;
use std::net::{IpAddr, Ipv6Addr, Shutdown, SocketAddr};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket, lookup_host};
use tokio::task::yield_now;
use tokio::time::timeout;
use wasmtime::error::Context;
use wasmtime::{Caller, Extern, Linker, Result};
use wasmtime_wasi::p1::wasi_snapshot_preview1 as preview1;
use wiggle::GuestMemory;

use crate::Program;

/// Where preview 1's functions are, and WasmEdge's as well.
const MODULE: &str = "wasi_snapshot_preview1";
/// The first descriptor of a socket. Those of preview 1 count from 0 and never get here: it would
/// take a thousand million open files. So a number is in one table or in the other.
const FIRST: u32 = 1 << 30;
/// The last one; the crate of the guests holds descriptors in an `i32`.
const LAST: u32 = i32::MAX as u32;
/// How many sockets a guest may have open at once.
const MOST_SOCKETS: usize = 64;
/// How many buffers a call may name, as on Linux.
const MOST_BUFFERS: u32 = 1024;
/// The most that is sent or received in a call. It is more than any datagram holds; of a stream the
/// rest is for the next call.
const PIECE: usize = 64 * 1024;
/// The longest datagram over IPv4.
const LONGEST_DATAGRAM: usize = 65_507;

/// Errors by preview 1's numbers, of which std in the guest makes its `ErrorKind`.
#[derive(Clone, Copy)]
enum Errno {
    Acces = 2,
    AddrInUse = 3,
    AddrNotAvail = 4,
    AfNoSupport = 5,
    Again = 6,
    BadF = 8,
    ConnAborted = 13,
    ConnRefused = 14,
    ConnReset = 15,
    Fault = 21,
    HostUnreach = 23,
    Inval = 28,
    Io = 29,
    MFile = 33,
    MsgSize = 35,
    NetDown = 38,
    NetUnreach = 40,
    NoEnt = 44,
    NoProtoOpt = 50,
    NotConn = 53,
    NotSup = 58,
    Pipe = 64,
    TimedOut = 73,
}

impl From<io::Error> for Errno {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind;
        match error.kind() {
            ErrorKind::AddrInUse => Self::AddrInUse,
            ErrorKind::AddrNotAvailable => Self::AddrNotAvail,
            ErrorKind::BrokenPipe => Self::Pipe,
            ErrorKind::ConnectionAborted => Self::ConnAborted,
            ErrorKind::ConnectionRefused => Self::ConnRefused,
            ErrorKind::ConnectionReset => Self::ConnReset,
            ErrorKind::HostUnreachable => Self::HostUnreach,
            ErrorKind::InvalidInput => Self::Inval,
            ErrorKind::NetworkDown => Self::NetDown,
            ErrorKind::NetworkUnreachable => Self::NetUnreach,
            ErrorKind::NotConnected => Self::NotConn,
            ErrorKind::PermissionDenied => Self::Acces,
            ErrorKind::TimedOut => Self::TimedOut,
            ErrorKind::WouldBlock => Self::Again,
            _ => Self::Io,
        }
    }
}

type Answer<T = ()> = std::result::Result<T, Errno>;

/// What the guest gets: a number, 0 if all is well.
fn number(answer: Answer) -> u32 {
    answer.map_or_else(|errno| errno as u32, |()| 0)
}

/// The guest's memory. Addresses and lengths are claims of the guest's.
struct Memory<'a>(&'a mut [u8]);

impl Memory<'_> {
    /// The bytes where the guest says they are: lent and not copied, so a lie allocates nothing.
    fn bytes(&mut self, ptr: u32, len: u32) -> Answer<&mut [u8]> {
        let rest = self.0.get_mut(ptr as usize..);
        rest.and_then(|rest| rest.get_mut(..len as usize)).ok_or(Errno::Fault)
    }

    fn array<const N: usize>(&mut self, ptr: u32) -> Answer<[u8; N]> {
        let rest = self.0.get(ptr as usize..).and_then(|rest| rest.first_chunk());
        rest.copied().ok_or(Errno::Fault)
    }

    /// The number at `offset` in the structure at `ptr`.
    fn number(&mut self, ptr: u32, offset: u32) -> Answer<u32> {
        let ptr = ptr.checked_add(offset).ok_or(Errno::Fault)?;
        self.array(ptr).map(u32::from_le_bytes)
    }

    fn set(&mut self, ptr: u32, offset: u32, value: &[u8]) -> Answer {
        let ptr = ptr.checked_add(offset).ok_or(Errno::Fault)?;
        self.bytes(ptr, value.len() as u32)?.copy_from_slice(value);
        Ok(())
    }

    /// The buffers of an array of addresses and lengths, each of them looked at, and how much room
    /// they have together. They may overlap, so that can be more than the memory has.
    fn buffers(&mut self, array: u32, count: u32) -> Answer<(Vec<(u32, u32)>, usize)> {
        if count > MOST_BUFFERS {
            return Err(Errno::Inval);
        }
        let (mut buffers, mut room) = (Vec::new(), 0_usize);
        for index in 0..count {
            let (ptr, len) = (self.number(array, index * 8)?, self.number(array, index * 8 + 4)?);
            self.bytes(ptr, len)?;
            room = room.saturating_add(len as usize);
            buffers.push((ptr, len));
        }
        Ok((buffers, room))
    }

    /// What the guest wants to send, as much of it as one call takes.
    fn gather(&mut self, array: u32, count: u32) -> Answer<Vec<u8>> {
        let mut piece = Vec::new();
        for (ptr, len) in self.buffers(array, count)?.0 {
            let bytes = self.bytes(ptr, len)?;
            piece.extend_from_slice(&bytes[..bytes.len().min(PIECE + 1 - piece.len())]);
        }
        Ok(piece)
    }

    fn scatter(&mut self, buffers: &[(u32, u32)], mut bytes: &[u8]) -> Answer {
        for &(ptr, len) in buffers {
            let (first, rest) = bytes.split_at(bytes.len().min(len as usize));
            self.set(ptr, 0, first)?;
            bytes = rest;
        }
        Ok(())
    }

    /// An address that the guest names: `{ pointer, length }` of 4 or 16 octets, and a port.
    fn address(&mut self, address: u32, port: u32) -> Answer<SocketAddr> {
        let (ptr, len) = (self.number(address, 0)?, self.number(address, 4)?);
        let ip = match len {
            4 => IpAddr::from(self.array::<4>(ptr)?),
            16 => IpAddr::from(self.array::<16>(ptr)?),
            _ => return Err(Errno::Inval),
        };
        Ok(SocketAddr::new(ip, u16::try_from(port).map_err(|_| Errno::Inval)?))
    }

    /// Writes an address to where the `{ pointer, length }` at `address` says: the octets after
    /// `prefix`.
    fn set_address(&mut self, address: u32, prefix: &[u8], ip: IpAddr) -> Answer {
        let octets = match ip {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        let value = [prefix, &octets].concat();
        let (ptr, len) = (self.number(address, 0)?, self.number(address, 4)?);
        if value.len() > len as usize {
            return Err(Errno::Inval);
        }
        self.set(ptr, 0, &value)
    }
}

/// The sockets of one guest, and what it may do with them.
pub struct Sockets {
    allowed: Vec<IpAddr>,
    lookup: bool,
    /// How long a call may wait.
    wait: Duration,
    open: BTreeMap<u32, Socket>,
    /// The next descriptor. None is given twice, so that one that was closed means nothing any more.
    next: u32,
}

struct Socket {
    state: State,
    nonblocking: bool,
}

/// What a socket is by now. Each function wants certain states; in others it is an error.
enum State {
    /// A stream socket as it was opened, perhaps bound.
    Stream(TcpSocket),
    Listening(TcpListener),
    Connected(TcpStream),
    /// A datagram socket as it was opened; the system gets to know it when it is bound.
    Datagram,
    Bound(UdpSocket),
    /// A stream socket that could not listen or connect.
    Failed,
}

impl State {
    fn local(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Stream(socket) => socket.local_addr(),
            Self::Listening(listener) => listener.local_addr(),
            Self::Connected(stream) => stream.local_addr(),
            Self::Bound(socket) => socket.local_addr(),
            Self::Datagram | Self::Failed => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    fn is_datagram(&self) -> bool {
        matches!(self, Self::Datagram | Self::Bound(_))
    }
}

impl Sockets {
    pub fn new(allowed: Vec<IpAddr>, lookup: bool, wait: Duration) -> Self {
        Self { allowed, lookup, wait, open: BTreeMap::new(), next: FIRST }
    }

    /// Whether `fd` is a descriptor of this table, open or not.
    fn owns(fd: u32) -> bool {
        fd >= FIRST
    }

    fn get(&mut self, fd: u32) -> Answer<&mut Socket> {
        self.open.get_mut(&fd).ok_or(Errno::BadF)
    }

    /// Whether there is room for one more. It is asked before something is opened.
    fn room(&self) -> Answer {
        let room = self.open.len() < MOST_SOCKETS && self.next <= LAST;
        if room { Ok(()) } else { Err(Errno::MFile) }
    }

    fn insert(&mut self, state: State) -> u32 {
        let fd = self.next;
        self.next += 1;
        self.open.insert(fd, Socket { state, nonblocking: false });
        fd
    }

    fn permit(&self, ip: IpAddr) -> Answer {
        if self.allowed.contains(&ip) { Ok(()) } else { Err(Errno::Acces) }
    }

    /// Sends go to an address, and to the system "any address" means this machine.
    fn permit_peer(&self, peer: SocketAddr) -> Answer {
        if peer.ip().is_unspecified() { Err(Errno::Inval) } else { self.permit(peer.ip()) }
    }

    async fn sock_open(
        &mut self,
        mem: &mut Memory<'_>,
        family: u32,
        kind: u32,
        out: u32,
    ) -> Answer {
        mem.bytes(out, 4)?;
        self.room()?;
        let state = match (family, kind) {
            (1 | 2, 1) => State::Datagram,
            (1, 2) => State::Stream(TcpSocket::new_v4()?),
            (2, 2) => State::Stream(TcpSocket::new_v6()?),
            (1 | 2, _) => return Err(Errno::NotSup),
            _ => return Err(Errno::AfNoSupport),
        };
        let fd = self.insert(state);
        mem.set(out, 0, &fd.to_le_bytes())
    }

    async fn sock_bind(
        &mut self,
        mem: &mut Memory<'_>,
        fd: u32,
        address: u32,
        port: u32,
    ) -> Answer {
        let address = mem.address(address, port)?;
        self.get(fd)?;
        self.permit(address.ip())?;
        let socket = self.get(fd)?;
        match &socket.state {
            State::Stream(stream) => stream.bind(address)?,
            State::Datagram => socket.state = State::Bound(UdpSocket::bind(address).await?),
            _ => return Err(Errno::Inval),
        }
        Ok(())
    }

    async fn sock_listen(&mut self, _: &mut Memory<'_>, fd: u32, backlog: u32) -> Answer {
        let socket = self.get(fd)?;
        // The system would bind an unbound socket to every address there is, allowed or not.
        if socket.state.local()?.port() == 0 {
            return Err(Errno::Inval);
        }
        match mem::replace(&mut socket.state, State::Failed) {
            State::Stream(stream) => {
                socket.state = State::Listening(stream.listen(backlog.min(128))?)
            }
            other => {
                socket.state = other;
                return Err(Errno::Inval);
            }
        }
        Ok(())
    }

    async fn sock_connect(
        &mut self,
        mem: &mut Memory<'_>,
        fd: u32,
        address: u32,
        port: u32,
    ) -> Answer {
        let peer = mem.address(address, port)?;
        self.get(fd)?;
        self.permit_peer(peer)?;
        let wait = self.wait;
        let socket = self.get(fd)?;
        match mem::replace(&mut socket.state, State::Failed) {
            State::Stream(stream) => {
                socket.state = State::Connected(within(wait, false, stream.connect(peer)).await?);
            }
            State::Bound(datagrams) => {
                let connected = datagrams.connect(peer).await;
                socket.state = State::Bound(datagrams);
                connected?;
            }
            other => {
                socket.state = other;
                return Err(Errno::Inval);
            }
        }
        Ok(())
    }

    async fn sock_accept(&mut self, mem: &mut Memory<'_>, fd: u32, out: u32) -> Answer {
        mem.bytes(out, 4)?;
        self.get(fd)?;
        self.room()?; // now, so that no connection is taken and lost
        let Some(Socket { state: State::Listening(listener), nonblocking }) = self.open.get(&fd)
        else {
            return Err(Errno::Inval);
        };
        let accepted = within(self.wait, *nonblocking, async {
            loop {
                let (stream, peer) = listener.accept().await?;
                if self.permit(peer.ip()).is_ok() {
                    return Ok(stream);
                } // else it is closed
            }
        });
        let stream = accepted.await?;
        let fd = self.insert(State::Connected(stream));
        mem.set(out, 0, &fd.to_le_bytes())
    }

    /// Receives into `buffers` at most what they hold, and says how many bytes came, from where if
    /// they are a datagram, and whether it was longer.
    async fn receive(
        &mut self,
        mem: &mut Memory<'_>,
        fd: u32,
        array: u32,
        count: u32,
    ) -> Answer<(usize, Option<SocketAddr>, bool)> {
        let (buffers, room) = mem.buffers(array, count)?;
        let (wait, allowed) = (self.wait, &self.allowed);
        let socket = self.open.get_mut(&fd).ok_or(Errno::BadF)?;
        let (mut piece, nonblocking) = (vec![0; PIECE], socket.nonblocking);
        let (length, peer) = match &mut socket.state {
            State::Connected(stream) => {
                let read = stream.read(&mut piece[..room.min(PIECE)]);
                (within(wait, nonblocking, read).await?, None)
            }
            State::Bound(datagrams) => {
                let received = within(wait, nonblocking, async {
                    loop {
                        let (length, peer) = datagrams.recv_from(&mut piece).await?;
                        if allowed.contains(&peer.ip()) {
                            return Ok((length, Some(peer)));
                        } // else it is forgotten
                    }
                });
                received.await?
            }
            _ => return Err(Errno::NotConn),
        };
        let fits = length.min(room);
        mem.scatter(&buffers, &piece[..fits])?;
        Ok((fits, peer, length > fits))
    }

    #[expect(clippy::too_many_arguments, reason = "so it is called")]
    async fn sock_recv(
        &mut self,
        mem: &mut Memory<'_>,
        fd: u32,
        array: u32,
        count: u32,
        flags: u32,
        length_out: u32,
        flags_out: u32,
    ) -> Answer {
        mem.bytes(length_out, 4)?;
        mem.bytes(flags_out, 2)?;
        no_flags(flags)?;
        let (length, _, cut) = self.receive(mem, fd, array, count).await?;
        mem.set(length_out, 0, &(length as u32).to_le_bytes())?;
        mem.set(flags_out, 0, &u16::from(cut).to_le_bytes())
    }

    #[expect(clippy::too_many_arguments, reason = "so it is called")]
    async fn sock_recv_from(
        &mut self,
        mem: &mut Memory<'_>,
        fd: u32,
        array: u32,
        count: u32,
        address: u32,
        flags: u32,
        port_out: u32,
        length_out: u32,
        flags_out: u32,
    ) -> Answer {
        for out in [port_out, length_out] {
            mem.bytes(out, 4)?;
        }
        mem.bytes(flags_out, 2)?;
        mem.set_address(address, &[0, 0], Ipv6Addr::UNSPECIFIED.into())?; // there is room for any
        no_flags(flags)?;
        if !self.get(fd)?.state.is_datagram() {
            return Err(Errno::NotSup);
        }
        let (length, peer, cut) = self.receive(mem, fd, array, count).await?;
        let peer = peer.ok_or(Errno::NotSup)?;
        mem.set_address(address, &[family(peer.ip()), 0], peer.ip())?;
        mem.set(port_out, 0, &u32::from(peer.port()).to_le_bytes())?;
        mem.set(length_out, 0, &(length as u32).to_le_bytes())?;
        mem.set(flags_out, 0, &u16::from(cut).to_le_bytes())
    }

    async fn sock_send(
        &mut self,
        mem: &mut Memory<'_>,
        fd: u32,
        array: u32,
        count: u32,
        flags: u32,
        length_out: u32,
    ) -> Answer {
        mem.bytes(length_out, 4)?;
        no_flags(flags)?;
        let bytes = mem.gather(array, count)?;
        let wait = self.wait;
        let Socket { state, nonblocking } = self.get(fd)?;
        let length = match state {
            State::Connected(stream) => {
                let write = stream.write(&bytes[..bytes.len().min(PIECE)]);
                within(wait, *nonblocking, write).await?
            }
            State::Bound(datagrams) => {
                datagrams.peer_addr()?;
                short_enough(&bytes)?;
                within(wait, *nonblocking, datagrams.send(&bytes)).await?
            }
            _ => return Err(Errno::NotConn),
        };
        mem.set(length_out, 0, &(length as u32).to_le_bytes())
    }

    #[expect(clippy::too_many_arguments, reason = "so it is called")]
    async fn sock_send_to(
        &mut self,
        mem: &mut Memory<'_>,
        fd: u32,
        array: u32,
        count: u32,
        address: u32,
        port: u32,
        flags: u32,
        length_out: u32,
    ) -> Answer {
        mem.bytes(length_out, 4)?;
        no_flags(flags)?;
        let peer = mem.address(address, port)?;
        let bytes = mem.gather(array, count)?;
        self.get(fd)?;
        self.permit_peer(peer)?;
        short_enough(&bytes)?;
        let wait = self.wait;
        let Socket { state: State::Bound(datagrams), nonblocking } = self.get(fd)? else {
            return Err(Errno::Inval);
        };
        let sent = within(wait, *nonblocking, datagrams.send_to(&bytes, peer)).await?;
        mem.set(length_out, 0, &(sent as u32).to_le_bytes())
    }

    async fn sock_shutdown(&mut self, _: &mut Memory<'_>, fd: u32, how: u32) -> Answer {
        let how = match how {
            1 => Shutdown::Read,
            2 => Shutdown::Write,
            3 => Shutdown::Both,
            _ => return Err(Errno::Inval),
        };
        let State::Connected(stream) = &self.get(fd)?.state else { return Err(Errno::NotConn) };
        Ok(SockRef::from(stream).shutdown(how)?)
    }

    async fn sock_getlocaladdr(
        &mut self,
        mem: &mut Memory<'_>,
        fd: u32,
        address: u32,
        kind_out: u32,
        port_out: u32,
    ) -> Answer {
        let local = self.get(fd)?.state.local()?;
        set_end(mem, local, address, kind_out, port_out)
    }

    async fn sock_getpeeraddr(
        &mut self,
        mem: &mut Memory<'_>,
        fd: u32,
        address: u32,
        kind_out: u32,
        port_out: u32,
    ) -> Answer {
        let peer = match &self.get(fd)?.state {
            State::Connected(stream) => stream.peer_addr()?,
            State::Bound(datagrams) => datagrams.peer_addr()?,
            _ => return Err(Errno::NotConn),
        };
        set_end(mem, peer, address, kind_out, port_out)
    }

    /// Options 0 to 2 and 13 of the guests' crate; a host grants no others, such as larger buffers.
    async fn sock_getsockopt(
        &mut self,
        mem: &mut Memory<'_>,
        fd: u32,
        level: u32,
        name: u32,
        value_out: u32,
        length: u32,
    ) -> Answer {
        let socket = self.get(fd)?;
        let value = match (level, name, &socket.state) {
            (0, 0, State::Stream(stream)) => stream.reuseaddr()?.into(),
            (0, 1, state) => {
                if state.is_datagram() {
                    1
                } else {
                    2
                }
            }
            (0, 2, State::Connected(stream)) => {
                stream.take_error()?.map_or(0, |error| Errno::from(error) as u32)
            }
            (0, 2, _) => 0,
            (0, 13, state) => matches!(state, State::Listening(_)).into(),
            _ => return Err(Errno::NoProtoOpt),
        };
        if mem.number(length, 0)? < 4 {
            return Err(Errno::Inval);
        }
        mem.set(value_out, 0, &value.to_le_bytes())?;
        mem.set(length, 0, &4_u32.to_le_bytes())
    }

    async fn sock_setsockopt(
        &mut self,
        mem: &mut Memory<'_>,
        fd: u32,
        level: u32,
        name: u32,
        value: u32,
        length: u32,
    ) -> Answer {
        let (State::Stream(stream), 0, 0) = (&self.get(fd)?.state, level, name) else {
            return Err(Errno::NoProtoOpt);
        };
        if length != 4 {
            return Err(Errno::Inval);
        }
        let reuse = mem.number(value, 0)? != 0;
        if cfg!(unix) {
            stream.set_reuseaddr(reuse)?; // elsewhere it lets one program take another's address
        }
        Ok(())
    }

    /// Fills in the guest's list of results with the IPv4 addresses of a name.
    #[expect(clippy::too_many_arguments, reason = "so it is called")]
    async fn sock_getaddrinfo(
        &mut self,
        mem: &mut Memory<'_>,
        node: u32,
        node_len: u32,
        service: u32,
        service_len: u32,
        hints: u32,
        list: u32,
        most: u32,
        count_out: u32,
    ) -> Answer {
        let text = |bytes: &[u8]| {
            let text = bytes.strip_suffix(b"\0").unwrap_or(bytes);
            let text = str::from_utf8(text).ok().filter(|text| text.len() < 256);
            text.map(str::to_owned).ok_or(Errno::Inval)
        };
        let name = text(mem.bytes(node, node_len)?)?;
        let port = match &*text(mem.bytes(service, service_len)?)? {
            "" => 0,
            "http" => 80,
            "https" => 443,
            number => number.parse().map_err(|_| Errno::Inval)?,
        };
        let [_, _, family, ..] = mem.array::<28>(hints)?;
        let mut entry = mem.number(list, 0)?;
        mem.bytes(count_out, 4)?;
        if !self.lookup {
            return Err(Errno::Acces);
        }
        if family > 1 {
            return Err(Errno::AfNoSupport); // the guests' crate leaves IPv6 out
        }
        let found = within(self.wait, false, lookup_host((name, port))).await;
        let found = found.map_err(|errno| match errno {
            Errno::TimedOut => errno,
            _ => Errno::NoEnt,
        })?;
        let mut count = 0_u32;
        for address in found {
            let IpAddr::V4(ip) = address.ip() else { continue };
            if count == most {
                break;
            }
            // An entry holds where its address goes (12) and where the next entry is (24); an
            // address holds its family (0), its room (4) and where its bytes go (8).
            let (target, next) = (mem.number(entry, 12)?, mem.number(entry, 24)?);
            let (room, bytes) = (mem.number(target, 4)?, mem.number(target, 8)?);
            let value = [&address.port().to_be_bytes()[..], &ip.octets()].concat();
            if (room as usize) < value.len() {
                return Err(Errno::Inval);
            }
            mem.set(bytes, 0, &value)?;
            mem.set(target, 0, &[1])?;
            mem.set(entry, 2, &[1])?;
            mem.set(entry, 8, &16_u32.to_le_bytes())?;
            count += 1;
            entry = next;
        }
        mem.set(count_out, 0, &count.to_le_bytes())
    }

    fn fd_close(&mut self, fd: u32) -> Answer {
        self.open.remove(&fd).map(drop).ok_or(Errno::BadF)
    }

    /// Kind, flags and rights, as preview 1 lays them out; std asks for the flags.
    fn fd_fdstat_get(&mut self, mem: &mut Memory<'_>, fd: u32, out: u32) -> Answer {
        const NONBLOCK: u8 = 1 << 2;
        const READ_AND_WRITE: u8 = 1 << 1 | 1 << 6;
        let socket = self.get(fd)?;
        let mut stat = [0; 24];
        stat[0] = if socket.state.is_datagram() { 5 } else { 6 };
        stat[2] = if socket.nonblocking { NONBLOCK } else { 0 };
        stat[8] = READ_AND_WRITE;
        mem.set(out, 0, &stat)
    }

    fn fd_fdstat_set_flags(&mut self, fd: u32, flags: u32) -> Answer {
        let socket = self.get(fd)?;
        socket.nonblocking = match flags {
            0 => false,
            4 => true,
            _ => return Err(Errno::Inval),
        };
        Ok(())
    }
}

/// Waits for the network as long as a call may, or not at all if the guest asked for that.
async fn within<T>(
    wait: Duration,
    nonblocking: bool,
    work: impl Future<Output = io::Result<T>>,
) -> Answer<T> {
    let wait = if nonblocking {
        yield_now().await; // tokio learns what has arrived only when a task gives way
        Duration::ZERO
    } else {
        wait
    };
    match timeout(wait, work).await {
        Ok(done) => Ok(done?),
        Err(_) if nonblocking => Err(Errno::Again),
        Err(_) => Err(Errno::TimedOut),
    }
}

fn no_flags(flags: u32) -> Answer {
    if flags == 0 { Ok(()) } else { Err(Errno::NotSup) }
}

fn short_enough(datagram: &[u8]) -> Answer {
    if datagram.len() <= LONGEST_DATAGRAM { Ok(()) } else { Err(Errno::MsgSize) }
}

fn family(ip: IpAddr) -> u8 {
    if ip.is_ipv4() { 1 } else { 2 }
}

fn set_end(
    mem: &mut Memory<'_>,
    end: SocketAddr,
    address: u32,
    kind_out: u32,
    port_out: u32,
) -> Answer {
    mem.set_address(address, &[], end.ip())?;
    mem.set(kind_out, 0, &u32::from(family(end.ip())).to_le_bytes())?;
    mem.set(port_out, 0, &u32::from(end.port()).to_le_bytes())
}

/// The guest's memory and the host's state, side by side.
fn parts<'a>(caller: &'a mut Caller<'_, Program>) -> Result<(&'a mut [u8], &'a mut Program)> {
    let memory = caller.get_export("memory").and_then(Extern::into_memory);
    let memory = memory.context("the guest exports no `memory`")?;
    Ok(memory.data_and_store_mut(caller))
}

/// Puts methods of [`Sockets`] into a linker. All arguments are numbers of 32 bits.
macro_rules! link {
    ($linker:ident: $($name:ident($($argument:ident),*);)*) => { $(
        $linker.func_wrap_async(MODULE, stringify!($name), |mut caller: Caller<'_, Program>, ($($argument,)*)| {
            $(let $argument: u32 = $argument;)*
            Box::new(async move {
                let (memory, program) = parts(&mut caller)?;
                Ok(number(program.sockets.$name(&mut Memory(memory), $($argument),*).await))
            })
        })?;
    )* };
}

/// Offers WasmEdge's functions. `sock_accept`, `sock_recv`, `sock_send` and `sock_shutdown` replace
/// those of preview 1, so the linker has to allow shadowing.
pub fn add_to_linker(linker: &mut Linker<Program>) -> Result<()> {
    link! { linker:
        sock_open(family, kind, fd_out);
        sock_bind(fd, address, port);
        sock_listen(fd, backlog);
        sock_accept(fd, fd_out);
        sock_connect(fd, address, port);
        sock_recv(fd, array, count, flags, length_out, flags_out);
        sock_recv_from(fd, array, count, address, flags, port_out, length_out, flags_out);
        sock_send(fd, array, count, flags, length_out);
        sock_send_to(fd, array, count, address, port, flags, length_out);
        sock_shutdown(fd, how);
        sock_getlocaladdr(fd, address, kind_out, port_out);
        sock_getpeeraddr(fd, address, kind_out, port_out);
        sock_getsockopt(fd, level, name, value_out, length);
        sock_setsockopt(fd, level, name, value, length);
        sock_getaddrinfo(node, node_len, service, service_len, hints, list, most, count_out);
    }
    // Three functions of preview 1 take descriptors of either table. Those of files go on to where
    // they would have gone, by functions that wasmtime-wasi has for its own use.
    linker.func_wrap_async(
        MODULE,
        "fd_close",
        |mut caller: Caller<'_, Program>, (fd,): (u32,)| {
            Box::new(async move {
                let (memory, program) = parts(&mut caller)?;
                if Sockets::owns(fd) {
                    return Ok(number(program.sockets.fd_close(fd)));
                }
                let memory = &mut GuestMemory::Unshared(memory);
                let errno = preview1::fd_close(&mut program.wasi, memory, fd.cast_signed()).await?;
                Ok(errno.cast_unsigned())
            })
        },
    )?;
    linker.func_wrap_async(
        MODULE,
        "fd_fdstat_get",
        |mut caller: Caller<'_, Program>, (fd, out): (u32, u32)| {
            Box::new(async move {
                let (memory, program) = parts(&mut caller)?;
                if Sockets::owns(fd) {
                    let mut memory = Memory(memory);
                    return Ok(number(program.sockets.fd_fdstat_get(&mut memory, fd, out)));
                }
                let (memory, wasi) = (&mut GuestMemory::Unshared(memory), &mut program.wasi);
                let (fd, out) = (fd.cast_signed(), out.cast_signed());
                Ok(preview1::fd_fdstat_get(wasi, memory, fd, out).await?.cast_unsigned())
            })
        },
    )?;
    linker.func_wrap(
        MODULE,
        "fd_fdstat_set_flags",
        |mut caller: Caller<'_, Program>, fd: u32, flags: u32| {
            let (memory, program) = parts(&mut caller)?;
            if Sockets::owns(fd) {
                return Ok(number(program.sockets.fd_fdstat_set_flags(fd, flags)));
            }
            let (memory, wasi) = (&mut GuestMemory::Unshared(memory), &mut program.wasi);
            let (fd, flags) = (fd.cast_signed(), flags.cast_signed());
            Ok(preview1::fd_fdstat_set_flags(wasi, memory, fd, flags)?.cast_unsigned())
        },
    )?;
    Ok(())
}
