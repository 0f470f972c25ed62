//! Datagrams to many destinations in few system calls: `sendmmsg` with UDP_SEGMENT.

use std::io;
use std::mem;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::RawFd;
use std::ptr;

use libc::{c_int, c_void, iovec, mmsghdr, msghdr, sockaddr_in, sockaddr_in6, sockaddr_storage};

/// Messages of one system call.
const AT_ONCE: usize = 64;
/// Room for the control messages of one datagram: source address and segment size.
const CONTROL: usize = 96;

/// Where a listener is, as its ICE pair says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination {
    remote: SocketAddr,
    local: Option<IpAddr>,
}

impl Destination {
    /// `local` is the address of ours that the listener talks to, where the machine has several:
    /// datagrams leave from it. `None` lets the kernel choose.
    pub fn new(remote: SocketAddr, local: Option<IpAddr>) -> Destination {
        Destination {
            remote,
            local: local.filter(|address| !address.is_unspecified()),
        }
    }

    pub fn remote(&self) -> SocketAddr {
        self.remote
    }
}

/// One or several packets of equal length (the last may be shorter) to one destination.
#[derive(Clone, Copy, Debug)]
pub struct Message {
    pub to: Destination,
    /// Offset in the arena.
    pub start: usize,
    pub length: usize,
    /// Length of a segment; 0 for a single packet.
    pub segment: usize,
}

impl Message {
    /// Packets in it.
    pub fn packets(&self) -> usize {
        if self.segment == 0 {
            1
        } else {
            self.length.div_ceil(self.segment)
        }
    }
}

/// Sends messages; a kernel's socket, or a test's.
pub trait Datagrams {
    /// Sends the first of `messages` and as many more as go: how many. An error is about the first.
    fn send(&mut self, arena: &[u8], messages: &[Message]) -> io::Result<usize>;
}

/// An unconnected, non-blocking UDP socket that somebody else owns and keeps open.
pub struct UdpSocket {
    fd: RawFd,
    wide: bool,
    room: Box<Room>,
}

/// What one call of `sendmmsg` points to; kept, so that sending allocates nothing.
struct Room {
    headers: [mmsghdr; AT_ONCE],
    vectors: [iovec; AT_ONCE],
    names: [sockaddr_storage; AT_ONCE],
    controls: [Control; AT_ONCE],
}

#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; CONTROL]);

// SAFETY: the pointers in it are written before each system call and used by nobody after it.
unsafe impl Send for Room {}

impl UdpSocket {
    /// `fd` must stay open as long as this is used.
    pub fn new(fd: RawFd) -> UdpSocket {
        // SAFETY: all of these are plain C structures, for which zeros are a valid value.
        let room = unsafe { Box::new(mem::zeroed::<Room>()) };
        UdpSocket {
            fd,
            wide: is_wide(fd),
            room,
        }
    }
}

impl Datagrams for UdpSocket {
    fn send(&mut self, arena: &[u8], messages: &[Message]) -> io::Result<usize> {
        let count = messages.len().min(AT_ONCE);
        let room = &mut *self.room;
        for (at, message) in messages[..count].iter().enumerate() {
            let bytes = &arena[message.start..message.start + message.length];
            room.vectors[at] = iovec {
                iov_base: bytes.as_ptr().cast_mut().cast::<c_void>(),
                iov_len: bytes.len(),
            };
            let name = &mut room.names[at];
            let name_length = write_name(name, message.to.remote, self.wide);
            let control = &mut room.controls[at];
            let control_length = write_control(control, message, self.wide);
            let header = &mut room.headers[at].msg_hdr;
            header.msg_name = ptr::from_mut(name).cast();
            header.msg_namelen = name_length as libc::socklen_t;
            header.msg_iov = &raw mut room.vectors[at];
            header.msg_iovlen = 1;
            header.msg_control = if control_length == 0 {
                ptr::null_mut()
            } else {
                control.0.as_mut_ptr().cast()
            };
            header.msg_controllen = control_length as _;
            header.msg_flags = 0;
        }
        // SAFETY: `count` headers were filled above and point into `room` and `arena`, which
        // outlive the call; the kernel only reads what they point to.
        let sent = unsafe {
            libc::sendmmsg(
                self.fd,
                room.headers.as_mut_ptr(),
                count as libc::c_uint,
                (libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) as _,
            )
        };
        if sent < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(sent as usize)
        }
    }
}

/// Whether the socket speaks IPv6, where IPv4 addresses are written as mapped ones.
fn is_wide(fd: RawFd) -> bool {
    let mut family: c_int = 0;
    let mut length = mem::size_of::<c_int>() as libc::socklen_t;
    // SAFETY: the pointers are to an integer and its size, as the option expects.
    let result = unsafe {
        libc::getsockopt(
            fd,
            libc::SOL_SOCKET,
            libc::SO_DOMAIN,
            (&raw mut family).cast(),
            &raw mut length,
        )
    };
    result == 0 && family == libc::AF_INET6
}

fn write_name(name: &mut sockaddr_storage, remote: SocketAddr, wide: bool) -> usize {
    match (remote, wide) {
        (SocketAddr::V4(address), false) => {
            // SAFETY: a sockaddr_storage is larger than any address and aligned for it.
            let name = unsafe { &mut *ptr::from_mut(name).cast::<sockaddr_in>() };
            name.sin_family = libc::AF_INET as libc::sa_family_t;
            name.sin_port = address.port().to_be();
            name.sin_addr.s_addr = u32::from_ne_bytes(address.ip().octets());
            mem::size_of::<sockaddr_in>()
        }
        (remote, _) => {
            let (ip, scope) = match remote {
                SocketAddr::V4(address) => (address.ip().to_ipv6_mapped(), 0),
                SocketAddr::V6(address) => (*address.ip(), address.scope_id()),
            };
            // SAFETY: as above.
            let name = unsafe { &mut *ptr::from_mut(name).cast::<sockaddr_in6>() };
            name.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            name.sin6_port = remote.port().to_be();
            name.sin6_flowinfo = 0;
            name.sin6_addr.s6_addr = ip.octets();
            name.sin6_scope_id = scope;
            mem::size_of::<sockaddr_in6>()
        }
    }
}

/// Writes the control messages and gives their length, 0 for none.
fn write_control(control: &mut Control, message: &Message, wide: bool) -> usize {
    if message.segment == 0 && message.to.local.is_none() {
        return 0;
    }
    // SAFETY: zeros are a valid msghdr; it only serves the CMSG macros.
    let mut header = unsafe { mem::zeroed::<msghdr>() };
    header.msg_control = control.0.as_mut_ptr().cast();
    header.msg_controllen = CONTROL as _;
    let mut used = 0;
    // SAFETY: the buffer is aligned for a cmsghdr and holds both messages (at most 40 + 24 bytes),
    // and each value is written within the room that CMSG_SPACE reckons for it.
    unsafe {
        let mut at = libc::CMSG_FIRSTHDR(&raw const header);
        match message.to.local {
            Some(IpAddr::V4(local)) if !wide => {
                let info = libc::in_pktinfo {
                    ipi_ifindex: 0,
                    ipi_spec_dst: libc::in_addr {
                        s_addr: u32::from_ne_bytes(local.octets()),
                    },
                    ipi_addr: libc::in_addr {
                        s_addr: u32::from_ne_bytes(Ipv4Addr::UNSPECIFIED.octets()),
                    },
                };
                used += put(at, libc::IPPROTO_IP, libc::IP_PKTINFO, info);
                at = at.byte_add(used);
            }
            Some(local) if wide => {
                let ip = match local {
                    IpAddr::V4(ip) => ip.to_ipv6_mapped(),
                    IpAddr::V6(ip) => ip,
                };
                let info = libc::in6_pktinfo {
                    ipi6_addr: libc::in6_addr {
                        s6_addr: ip.octets(),
                    },
                    ipi6_ifindex: 0,
                };
                used += put(at, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info);
                at = at.byte_add(used);
            }
            _ => {}
        }
        if message.segment != 0 {
            used += put(at, libc::SOL_UDP, libc::UDP_SEGMENT, message.segment as u16);
        }
    }
    used
}

/// Writes one control message and gives the room it takes.
///
/// # Safety
/// `at` is aligned for a cmsghdr and has room for the message.
unsafe fn put<T>(at: *mut libc::cmsghdr, level: c_int, kind: c_int, value: T) -> usize {
    let size = mem::size_of::<T>() as libc::c_uint;
    // SAFETY: the caller gives the room; the value is written unaligned behind the header.
    unsafe {
        (*at).cmsg_level = level;
        (*at).cmsg_type = kind;
        (*at).cmsg_len = libc::CMSG_LEN(size) as _;
        ptr::write_unaligned(libc::CMSG_DATA(at).cast::<T>(), value);
        libc::CMSG_SPACE(size) as usize
    }
}
