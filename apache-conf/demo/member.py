"""One application server of the demo: answers every request with its name, after a little work."""
import http.server
import socketserver
import sys
import time


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        time.sleep(self.server.work)
        body = f"{self.server.name} answers {self.path}\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        """The demo shows httpd's view, not the members'."""


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128


if __name__ == "__main__":
    name, port, work = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    server = Server(("127.0.0.1", port), Handler)
    server.name, server.work = name, work
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
