"""What stands behind the far end of a line: an echo of datagrams, and a captive portal that answers everybody with a certificate of its own.

Arguments: the echo's port, the portal's port, and the file with the portal's certificate and key.
"""
import socket, ssl, sys, threading

echo_port, portal_port, certificate = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
LOGIN = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 22\r\nConnection: close\r\n\r\n<h1>Please log in</h1>"


def echo():
    here = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    here.bind(("127.0.0.1", echo_port))
    while True:
        data, who = here.recvfrom(65535)
        here.sendto(data, who)


def answer(context, plain):
    try:
        with context.wrap_socket(plain, server_side=True) as client:
            client.recv(4096)
            client.sendall(LOGIN)
    except OSError:
        pass


def portal():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    here = socket.create_server(("::", portal_port), family=socket.AF_INET6, dualstack_ipv6=True)
    while True:
        plain, _ = here.accept()
        plain.settimeout(10)
        threading.Thread(target=answer, args=(context, plain), daemon=True).start()


threading.Thread(target=echo, daemon=True).start()
portal()
