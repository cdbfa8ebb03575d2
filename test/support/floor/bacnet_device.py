"""A BACnet/IP device by bacpypes3: `bacnet_device.py ADDRESS/PREFIX`. Prints a line when it listens, and ends with the process that started it."""

import asyncio
import os
import sys

from bacpypes3.ipv4.app import NormalApplication
from bacpypes3.local.analog import AnalogValueObject
from bacpypes3.local.device import DeviceObject
from bacpypes3.pdu import IPv4Address


async def main():
    device = DeviceObject(objectIdentifier=("device", 599), objectName="press 7", vendorIdentifier=999)
    application = NormalApplication(device, IPv4Address(sys.argv[1]))
    speed = AnalogValueObject(objectIdentifier=("analog-value", 1), objectName="speed", presentValue=42.5)
    application.add_object(speed)
    await asyncio.sleep(0.2)
    print("ready", flush=True)
    parent = os.getppid()
    while os.getppid() == parent:
        await asyncio.sleep(0.2)


asyncio.run(main())
