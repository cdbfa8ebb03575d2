"""A BACnet/IP client by bacpypes3: `bacnet_client.py OWN_ADDRESS/PREFIX ASKED`. Asks who is there, reads from whoever answers, and tells both in one JSON line."""

import asyncio
import json
import sys

from bacpypes3.ipv4.app import NormalApplication
from bacpypes3.local.device import DeviceObject
from bacpypes3.pdu import Address, IPv4Address
from bacpypes3.primitivedata import ObjectIdentifier


class Client(NormalApplication):
    """Hears every I-Am: the library's own list has those alone whose address is the one that was asked."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.found = asyncio.Queue()

    async def do_IAmRequest(self, apdu):
        await super().do_IAmRequest(apdu)
        self.found.put_nowait(apdu)


async def main():
    own = DeviceObject(objectIdentifier=("device", 1), objectName="laptop", vendorIdentifier=999)
    application = Client(own, IPv4Address(sys.argv[1]))
    asked = application.who_is(address=Address(sys.argv[2]), timeout=20)
    answer = await asyncio.wait_for(application.found.get(), 20)
    asked.cancel()
    speed = await application.read_property(answer.pduSource, ObjectIdentifier("analog-value,1"), "present-value")
    device = answer.iAmDeviceIdentifier[1]
    print(json.dumps({"device": device, "address": str(answer.pduSource), "speed": speed}), flush=True)
    application.close()


asyncio.run(main())
