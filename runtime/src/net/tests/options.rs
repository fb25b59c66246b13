//! Options of sockets through `socket2`, which knows more of them than std does.

use crate::net::{TcpListener, TcpStream, UdpSocket, UnixStream};
use crate::on_fibers::on_one_worker;
use crate::spawn;
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, TcpKeepalive, Type};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// Set before it is bound: then it is one of ours, and fibers accept from it.
#[test]
fn a_listener_made_with_options() {
    on_one_worker(|| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket.set_reuse_port(true).unwrap();
        socket.set_recv_buffer_size(64 << 10).unwrap();
        socket.bind(&SockAddr::from(SocketAddr::from(([127, 0, 0, 1], 0)))).unwrap();
        socket.listen(7).unwrap();
        let listener = TcpListener::from(OwnedFd::from(socket));
        let address = listener.local_addr().unwrap();
        let beside = TcpListener::bind_reuse_port(address).unwrap();
        assert!(SockRef::from(&listener).reuse_port().unwrap());
        assert!(SockRef::from(&beside).reuse_port().unwrap());
        drop(beside);
        let client = spawn(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(b"options").unwrap();
        });
        let (mut peer, _) = listener.accept().unwrap();
        let mut said = String::new();
        peer.read_to_string(&mut said).unwrap();
        assert_eq!(said, "options");
        client.join().unwrap();
        // Linux doubles what is asked for, for its own bookkeeping (socket(7)); connections inherit it.
        assert_eq!(SockRef::from(&peer).recv_buffer_size().unwrap(), 128 << 10);
    });
}

#[test]
fn options_of_open_sockets() {
    on_one_worker(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let options = SockRef::from(&stream);
        options.set_send_buffer_size(32 << 10).unwrap();
        assert_eq!(options.send_buffer_size().unwrap(), 64 << 10);
        assert!(!options.keepalive().unwrap());
        options.set_tcp_keepalive(&TcpKeepalive::new().with_time(Duration::from_secs(77))).unwrap();
        assert!(options.keepalive().unwrap());
        options.set_linger(Some(Duration::from_secs(3))).unwrap();
        assert_eq!(options.linger().unwrap(), Some(Duration::from_secs(3)));
        options.set_linger(None).unwrap();
        let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
        SockRef::from(&datagrams).set_recv_buffer_size(256 << 10).unwrap();
        assert!(SockRef::from(&datagrams).recv_buffer_size().unwrap() >= 256 << 10);
        let (near, _far) = UnixStream::pair().unwrap();
        SockRef::from(&near).set_send_buffer_size(16 << 10).unwrap();
    });
}

/// A backlog that was set through `socket2` holds: the listener is given as it is.
#[test]
fn there_and_back() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    SockRef::from(&listener).listen(0).unwrap();
    let socket = Socket::from(OwnedFd::from(listener));
    assert_eq!(socket.local_addr().unwrap().as_socket(), Some(address));
    assert!(socket.is_listener().unwrap());
    let waiting = std::net::TcpStream::connect(address).unwrap();
    let late = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(50));
    assert!(late.is_err(), "there is room for one");
    let listener = TcpListener::from(OwnedFd::from(socket));
    on_one_worker(|| {
        let (peer, from) = listener.accept().unwrap();
        assert_eq!(from, waiting.local_addr().unwrap());
        let again = TcpStream::from(std::net::TcpStream::from(Socket::from(OwnedFd::from(peer))));
        assert_eq!(again.local_addr().unwrap(), address);
    });
}
