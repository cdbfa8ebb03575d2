"""An FTP server by pyftpdlib: `ftp_server.py ADDRESS DIRECTORY`. Prints a line when it listens, and ends with the process that started it."""

import os
import sys
import threading
import time

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer


def until_left():
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(0)


authorizer = DummyAuthorizer()
authorizer.add_anonymous(sys.argv[2], perm="elradfmw")
FTPHandler.authorizer = authorizer
server = FTPServer((sys.argv[1], 21), FTPHandler)
threading.Thread(target=until_left, daemon=True).start()
print("ready", flush=True)
server.serve_forever()
