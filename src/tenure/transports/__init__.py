"""How nodes speak to one another: frames of bytes between processes that know who the other is.

base          the seam: Transport, Receiver, who a node is, limits
addresses     host:port and unix:/path
frames        payloads cut out of a stream of bytes (no I/O)
hello         who speaks, to whom, in which cluster and version; and why not (no I/O)
complaints    what goes wrong, counted, and said once in a while
connection    one connection: bytes, TLS, greeting, frames
peer          what is known of one other node: the connection to it, the one from it, its life
stream        what TCP and Unix share: listening, admitting, dialling, sending
tcp, unix     the two of them
tls           mutual TLS (no I/O)
certificates  certificates for development; needs the extra `certificates`
vouching      whether the process behind a Unix socket is gone, by the kernel's word
memory        inside one process, for tests
"""
