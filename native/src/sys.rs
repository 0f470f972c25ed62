//! The kernel's part: sockets, epoll and eventfd, each behind a safe type.

use std::io;
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, TcpListener, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// Bytes that the kernel may hold for one UDP socket in each direction.
const SOCKET_BUFFER: libc::c_int = 4 << 20;
/// Datagrams that one call takes from the kernel.
pub const BATCH: usize = 64;
/// The longest datagram that is taken; WebRTC keeps below 1,500 bytes.
pub const DATAGRAM: usize = 2048;

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// A counter that wakes whoever polls it.
pub struct EventFd(OwnedFd);

impl EventFd {
    /// A new counter at zero.
    pub fn new() -> io::Result<EventFd> {
        // SAFETY: no pointers; the result is checked and owned from here on.
        let fd = check(unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) })?;
        // SAFETY: `fd` was just opened and has no other owner.
        Ok(EventFd(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Makes it readable.
    pub fn wake(&self) {
        let one = 1u64;
        // SAFETY: eight readable bytes, as eventfd asks for. A full counter is readable already.
        unsafe { libc::write(self.0.as_raw_fd(), (&raw const one).cast(), 8) };
    }

    /// Makes it unreadable until the next `wake`.
    pub fn reset(&self) {
        let mut count = 0u64;
        // SAFETY: eight writable bytes, as eventfd asks for.
        unsafe { libc::read(self.0.as_raw_fd(), (&raw mut count).cast(), 8) };
    }

    /// The descriptor, for polling.
    pub fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// What epoll reports: the token it was registered with, and whether it can be read. Being writable only wakes.
#[derive(Clone, Copy)]
pub struct Ready {
    /// The token of the descriptor.
    pub token: u64,
    /// Reading makes progress; errors and hang-ups count as that.
    pub readable: bool,
}

/// An epoll instance, level-triggered.
pub struct Poller(OwnedFd);

impl Poller {
    /// A new instance.
    pub fn new() -> io::Result<Poller> {
        // SAFETY: no pointers; the result is checked and owned from here on.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: `fd` was just opened and has no other owner.
        Ok(Poller(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    fn control(&self, op: libc::c_int, fd: RawFd, token: u64, writable: bool) -> io::Result<()> {
        let mut events = libc::EPOLLIN as u32;
        if writable {
            events |= libc::EPOLLOUT as u32;
        }
        self.interest(op, fd, token, events)
    }

    fn interest(&self, op: libc::c_int, fd: RawFd, token: u64, events: u32) -> io::Result<()> {
        let mut event = libc::epoll_event { events, u64: token };
        // SAFETY: `event` lives over the call; a wrong `fd` is reported as an error.
        check(unsafe { libc::epoll_ctl(self.0.as_raw_fd(), op, fd, &raw mut event) })?;
        Ok(())
    }

    /// Watches a descriptor for reading, and for writing where asked.
    pub fn add(&self, fd: RawFd, token: u64, writable: bool) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, token, writable)
    }

    /// Changes whether writing is watched too.
    pub fn modify(&self, fd: RawFd, token: u64, writable: bool) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, token, writable)
    }

    /// Watches a descriptor for nothing, until it is modified.
    pub fn rest(&self, fd: RawFd, token: u64) -> io::Result<()> {
        self.interest(libc::EPOLL_CTL_MOD, fd, token, 0)
    }

    /// Waits at most `timeout_ms`.
    pub fn wait(&self, timeout_ms: i32, ready: &mut Vec<Ready>) -> io::Result<()> {
        ready.clear();
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; BATCH];
        // SAFETY: the kernel writes at most BATCH events into an array of that length.
        let count = unsafe {
            libc::epoll_wait(
                self.0.as_raw_fd(),
                events.as_mut_ptr(),
                BATCH as libc::c_int,
                timeout_ms,
            )
        };
        let count = match check(count) {
            Ok(count) => count as usize,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => return Err(error),
        };
        for event in &events[..count] {
            let bits = event.events;
            ready.push(Ready {
                token: event.u64,
                readable: bits & !(libc::EPOLLOUT as u32) != 0,
            });
        }
        Ok(())
    }
}

/// Opens the UDP socket of a media thread.
pub fn bind_udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    // Less than asked for is fine: the kernel has its bounds.
    let _ = set(&socket, libc::SOL_SOCKET, libc::SO_RCVBUF, SOCKET_BUFFER);
    let _ = set(&socket, libc::SOL_SOCKET, libc::SO_SNDBUF, SOCKET_BUFFER);
    // Nothing of ours is longer than any path takes. So no packet needs a number for its fragments, and a forged
    // "too big" cannot shrink a path.
    let (level, option, probe) = match address {
        SocketAddr::V4(_) => (
            libc::IPPROTO_IP,
            libc::IP_MTU_DISCOVER,
            libc::IP_PMTUDISC_PROBE,
        ),
        SocketAddr::V6(_) => (
            libc::IPPROTO_IPV6,
            libc::IPV6_MTU_DISCOVER,
            libc::IPV6_PMTUDISC_PROBE,
        ),
    };
    let _ = set(&socket, level, option, probe);
    Ok(socket)
}

fn set(
    socket: &UdpSocket,
    level: libc::c_int,
    option: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: the option is a c_int that lives over the call.
    check(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            mem::size_of::<libc::c_int>() as libc::socklen_t,
        )
    })?;
    Ok(())
}

/// Opens the TCP listener of a media thread.
pub fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Buffers for many datagrams taken in one call.
pub struct Receiver {
    buffers: Box<[[u8; DATAGRAM]; BATCH]>,
    addresses: Box<[libc::sockaddr_storage; BATCH]>,
    lengths: [usize; BATCH],
}

impl Default for Receiver {
    fn default() -> Self {
        Receiver {
            buffers: vec![[0; DATAGRAM]; BATCH]
                .into_boxed_slice()
                .try_into()
                .expect("BATCH buffers were made"),
            // SAFETY: sockaddr_storage is plain old data, for which all zeros is a value.
            addresses: Box::new(unsafe { mem::zeroed() }),
            lengths: [0; BATCH],
        }
    }
}

impl Receiver {
    /// Takes up to `BATCH` datagrams that wait; returns how many.
    pub fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        // SAFETY: iovec and mmsghdr are plain old data, for which all zeros is a value.
        let mut vectors: [libc::iovec; BATCH] = unsafe { mem::zeroed() };
        // SAFETY: as above.
        let mut headers: [libc::mmsghdr; BATCH] = unsafe { mem::zeroed() };
        for i in 0..BATCH {
            vectors[i].iov_base = self.buffers[i].as_mut_ptr().cast();
            vectors[i].iov_len = DATAGRAM;
            headers[i].msg_hdr.msg_iov = &raw mut vectors[i];
            headers[i].msg_hdr.msg_iovlen = 1;
            headers[i].msg_hdr.msg_name = (&raw mut self.addresses[i]).cast();
            headers[i].msg_hdr.msg_namelen =
                mem::size_of::<libc::sockaddr_storage>() as libc::socklen_t;
        }
        // SAFETY: every header points at buffers that outlive the call and says their lengths.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                BATCH as libc::c_uint,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        let count = match check(count) {
            Ok(count) => count as usize,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            Err(error) => return Err(error),
        };
        for (length, header) in self.lengths.iter_mut().zip(&headers[..count]) {
            *length = header.msg_len as usize;
        }
        Ok(count)
    }

    /// A datagram of the last call and where it came from.
    pub fn datagram(&self, index: usize) -> Option<(SocketAddr, &[u8])> {
        let address = socket_address(&self.addresses[index])?;
        Some((address, &self.buffers[index][..self.lengths[index]]))
    }
}

fn socket_address(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match libc::c_int::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: the kernel wrote a sockaddr_in, as its family says, and the storage is larger.
            let v4 = unsafe { &*(&raw const *storage).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            Some(SocketAddr::new(IpAddr::V4(ip), u16::from_be(v4.sin_port)))
        }
        libc::AF_INET6 => {
            // SAFETY: the kernel wrote a sockaddr_in6, as its family says, and the storage is larger.
            let v6 = unsafe { &*(&raw const *storage).cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            let port = u16::from_be(v6.sin6_port);
            Some(match ip.to_ipv4_mapped() {
                Some(v4) => SocketAddr::new(IpAddr::V4(v4), port),
                None => SocketAddr::V6(SocketAddrV6::new(ip, port, 0, v6.sin6_scope_id)),
            })
        }
        _ => None,
    }
}

/// IPv4 as such, where an IPv6 socket shows it inside IPv6.
pub fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// The CPU time that this thread has used, in ns.
pub fn thread_cpu_ns() -> u64 {
    // SAFETY: timespec is plain old data, for which all zeros is a value.
    let mut time: libc::timespec = unsafe { mem::zeroed() };
    // SAFETY: the kernel writes into `time`, which lives over the call.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Every address of this machine that others can reach; loopback where there is no other.
pub fn local_addresses() -> io::Result<Vec<IpAddr>> {
    let mut list: *mut libc::ifaddrs = std::ptr::null_mut();
    // SAFETY: the kernel stores a list, which is freed below.
    check(unsafe { libc::getifaddrs(&raw mut list) })?;
    let mut found = Vec::new();
    let mut entry = list;
    while !entry.is_null() {
        // SAFETY: getifaddrs made a list whose entries are valid until freeifaddrs.
        let interface = unsafe { &*entry };
        entry = interface.ifa_next;
        if interface.ifa_addr.is_null() || interface.ifa_flags & libc::IFF_UP as u32 == 0 {
            continue;
        }
        // SAFETY: sockaddr_storage is plain old data, for which all zeros is a value.
        let mut storage: libc::sockaddr_storage = unsafe { mem::zeroed() };
        // SAFETY: the address is not null, and its family says how long it is.
        let length = match libc::c_int::from(unsafe { (*interface.ifa_addr).sa_family }) {
            libc::AF_INET => mem::size_of::<libc::sockaddr_in>(),
            libc::AF_INET6 => mem::size_of::<libc::sockaddr_in6>(),
            _ => continue,
        };
        // SAFETY: `length` bytes are readable there, and the storage is larger.
        unsafe {
            std::ptr::copy_nonoverlapping(
                interface.ifa_addr.cast::<u8>(),
                (&raw mut storage).cast::<u8>(),
                length,
            );
        }
        if let Some(address) = socket_address(&storage) {
            found.push(address.ip());
        }
    }
    // SAFETY: the list came from getifaddrs, and nothing refers to it any more.
    unsafe { libc::freeifaddrs(list) };
    let link_local = |ip: &IpAddr| match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    let reachable: Vec<IpAddr> = found
        .iter()
        .copied()
        .filter(|ip| !ip.is_loopback() && !link_local(ip))
        .collect();
    if reachable.is_empty() {
        found.retain(IpAddr::is_loopback);
        return Ok(found);
    }
    Ok(reachable)
}
