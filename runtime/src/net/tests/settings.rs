//! Modes, time limits, options.

use super::{Failure, conformance, fill, local_pair, on_fiber, outcome, pair, said};
use std::io::{ErrorKind, Read, Write};
use std::net::{self as std_net, Ipv4Addr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

const MOMENT: Option<Duration> = Some(Duration::from_millis(20));

conformance! { net:
    fn reads_run_into_their_limit_and_go_on_after_it(net) -> (Vec<Result<usize, Failure>>, [u8; 4]) {
        let (mut near, mut far) = pair!(net);
        near.set_read_timeout(MOMENT).unwrap();
        let mut buf = [0; 4];
        let mut outcomes = vec![
            outcome(near.read(&mut buf)),
            outcome(near.read_vectored(&mut [std::io::IoSliceMut::new(&mut buf)])),
            outcome(near.peek(&mut buf)),
        ];
        far.write_all(b"then").unwrap();
        outcomes.push(outcome(near.read(&mut buf)));
        outcomes.push(outcome(near.read(&mut [0; 4])));
        near.set_read_timeout(None).unwrap();
        drop(far);
        outcomes.push(outcome(near.read(&mut [0; 4])));
        (outcomes, buf)
    }

    fn writes_run_into_their_limit_and_go_on_after_it(net) -> (Vec<Result<usize, Failure>>, usize) {
        let (mut near, mut far) = local_pair!(net);
        let filled = fill(&near);
        near.set_write_timeout(MOMENT).unwrap();
        let mut outcomes = vec![
            outcome(near.write(b"x")),
            outcome(near.write_vectored(&[std::io::IoSlice::new(b"x")])),
        ];
        // Room again.
        let mut left = filled;
        let mut buf = vec![0; 1 << 20];
        while left > 0 {
            let most = left.min(buf.len());
            left -= far.read(&mut buf[..most]).unwrap();
        }
        outcomes.push(outcome(near.write(b"then")));
        (outcomes, far.read(&mut buf).unwrap())
    }

    /// A write that ran into its limit halfway says how far it came.
    fn a_write_that_times_out_halfway_is_short(net) -> (bool, bool) {
        let (mut near, _far) = local_pair!(net);
        near.set_write_timeout(MOMENT).unwrap();
        let all = 8 << 20;
        let sent = near.write(&vec![0; all]).unwrap();
        (sent > 0 && sent < all, near.write(&[0; 65536]).unwrap_err().kind() == ErrorKind::WouldBlock)
    }

    fn limits_are_shared_by_clones(net) -> (Result<usize, Failure>, Vec<Option<Duration>>) {
        let (near, _far) = pair!(net);
        let mut clone = near.try_clone().unwrap();
        near.set_read_timeout(MOMENT).unwrap();
        near.set_write_timeout(Some(Duration::from_secs(3))).unwrap();
        let result = outcome(clone.read(&mut [0; 4]));
        let limits = vec![clone.read_timeout().unwrap(), clone.write_timeout().unwrap()];
        (result, limits)
    }

    fn strange_limits(net) -> (Vec<Result<(), String>>, Vec<Option<Duration>>, Result<usize, Failure>) {
        let (mut near, _far) = pair!(net);
        let zero = vec![
            said(near.set_read_timeout(Some(Duration::ZERO))),
            said(near.set_write_timeout(Some(Duration::ZERO))),
        ];
        near.set_read_timeout(Some(Duration::from_nanos(1))).unwrap();
        let instant = outcome(near.read(&mut [0; 4]));
        let mut limits = vec![near.read_timeout().unwrap()];
        near.set_write_timeout(Some(Duration::MAX)).unwrap();
        limits.push(near.write_timeout().unwrap());
        near.write_all(b"no limit to speak of").unwrap();
        (zero, limits, instant)
    }

    fn non_blocking_mode(net) -> Vec<Result<usize, Failure>> {
        let (mut near, mut far) = local_pair!(net);
        let clone = near.try_clone().unwrap();
        clone.set_nonblocking(true).unwrap();
        let mut outcomes = vec![outcome(near.read(&mut [0; 4])), outcome(near.peek(&mut [0; 4]))];
        far.write_all(b"data").unwrap();
        while near.peek(&mut [0; 4]).is_err() {}
        outcomes.push(outcome(near.read(&mut [0; 8])));
        outcomes.push(outcome(near.read(&mut [0; 8])));
        outcomes.push(outcome(near.read_vectored(&mut [std::io::IoSliceMut::new(&mut [0; 8])])));
        let last = loop {
            if let Err(error) = near.write(&[0; 65536]) {
                break error;
            }
        };
        outcomes.push(outcome(Err(last)));
        outcomes.push(outcome(near.write_vectored(&[std::io::IoSlice::new(&[0; 65536])])));
        clone.set_nonblocking(false).unwrap();
        near.set_read_timeout(MOMENT).unwrap();
        let start = Instant::now();
        outcomes.push(outcome(near.read(&mut [0; 8])));
        assert!(start.elapsed() >= Duration::from_millis(15), "it waits again");
        outcomes
    }

    fn non_blocking_listeners(net) -> (Result<(), Failure>, bool, Result<usize, Failure>) {
        let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.try_clone().unwrap().set_nonblocking(true).unwrap();
        let nothing = outcome(listener.accept().map(drop));
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut stream = loop {
            if let Ok((stream, _)) = listener.accept() {
                break stream;
            }
        };
        let peer = stream.peer_addr().unwrap() == client.local_addr().unwrap();
        // The connection does not inherit the mode: it waits.
        stream.set_read_timeout(MOMENT).unwrap();
        let start = Instant::now();
        let waited = outcome(stream.read(&mut [0; 4]));
        assert!(start.elapsed() >= Duration::from_millis(15));
        (nothing, peer, waited)
    }

    fn options_read_back(net) -> (bool, bool, u32, u32, bool, bool, bool, Vec<Result<(), Failure>>) {
        let (near, _far) = pair!(net);
        let before = near.nodelay().unwrap();
        near.set_nodelay(true).unwrap();
        near.set_ttl(77).unwrap();
        let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_ttl(78).unwrap();
        #[expect(deprecated)]
        let only_v6 = (outcome(listener.set_only_v6(true)), outcome(listener.only_v6().map(drop)));
        (
            before,
            near.nodelay().unwrap(),
            near.ttl().unwrap(),
            listener.ttl().unwrap(),
            near.take_error().unwrap().is_none(),
            listener.take_error().unwrap().is_none(),
            near.set_ttl(0).is_err(),
            vec![only_v6.0, only_v6.1],
        )
    }
}

/// What was set before a socket became ours holds.
#[test]
fn settings_survive_conversion() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let nonblocking = TcpStream::connect(address).unwrap();
    let (limited, _far) = local_pair!(std_net);
    limited.set_read_timeout(MOMENT).unwrap();
    limited.set_write_timeout(MOMENT).unwrap();
    fill(&limited);
    nonblocking.set_nonblocking(true).unwrap();
    listener.set_nonblocking(true).unwrap();
    on_fiber(move || {
        let (mut limited, mut nonblocking) =
            (crate::net::TcpStream::from(limited), crate::net::TcpStream::from(nonblocking));
        assert_eq!(limited.read(&mut [0; 4]).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(limited.write(&[0; 4]).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(nonblocking.read(&mut [0; 4]).unwrap_err().kind(), ErrorKind::WouldBlock);
        let listener = crate::net::TcpListener::from(listener);
        let _peer = listener.accept().unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        // And leave with it.
        assert!(std::net::TcpStream::from(nonblocking).read(&mut [0; 4]).is_err());
    });
}
