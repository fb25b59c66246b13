//! From text to addresses.

use super::{conformance, on_fiber, said};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

type Found = Result<Vec<SocketAddr>, String>;

conformance! { net:
    fn addresses_of_every_type(net) -> Vec<Found> {
        fn found(addresses: impl net::ToSocketAddrs) -> Found {
            said(addresses.to_socket_addrs()).map(Iterator::collect)
        }
        let (v4, v6) = (Ipv4Addr::new(192, 0, 2, 1), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
        let some = [SocketAddr::from((v4, 1)), SocketAddr::from((v6, 2))];
        let reference = &some[1];
        vec![
            found(some[0]),
            found(SocketAddrV4::new(v4, 3)),
            found(SocketAddrV6::new(v6, 4, 5, 6)),
            found((IpAddr::from(v4), 7)),
            found((v4, 8)),
            found((v6, 9)),
            found(("192.0.2.1", 10)),
            found(("2001:db8::1", 11)),
            found(("192.0.2.1".to_owned(), 12)),
            found("192.0.2.1:13"),
            found("[2001:db8::1]:14"),
            found("[2001:db8::1%3]:14"),
            found("192.0.2.1:15".to_owned()),
            found(&some[..]),
            found(reference),
        ]
    }

    fn text_that_is_no_address(net) -> Vec<Found> {
        use net::ToSocketAddrs;
        ["", ":", "host", "192.0.2.1", "192.0.2.1:x", "192.0.2.1:65536", "192.0.2.1:-1", "[::1]", "a\0b:80", ":::"]
            .map(|text| said(text.to_socket_addrs()).map(Iterator::collect))
            .into()
    }

    fn names_of_this_machine(net) -> Vec<Found> {
        use net::ToSocketAddrs;
        vec![
            said("localhost:80".to_socket_addrs()).map(Iterator::collect),
            said(("localhost", 81).to_socket_addrs()).map(Iterator::collect),
            said(("localhost".to_owned(), 82).to_socket_addrs()).map(Iterator::collect),
            // Never a name, by RFC 6761. What the resolver says of it is the machine's affair.
            said(("nothing.invalid", 83).to_socket_addrs()).map(Iterator::collect),
        ]
    }
}

/// Far more look-ups at once than there are threads for.
#[test]
fn many_at_once() {
    on_fiber(|| {
        let lookups: Vec<_> = (1..300u16)
            .map(|port| {
                crate::spawn(move || {
                    use crate::net::ToSocketAddrs;
                    let found: Vec<_> = ("localhost", port).to_socket_addrs().unwrap().collect();
                    assert!(!found.is_empty());
                    assert!(found.iter().all(|address| address.ip().is_loopback() && address.port() == port));
                })
            })
            .collect();
        for lookup in lookups {
            lookup.join().unwrap();
        }
    });
}
