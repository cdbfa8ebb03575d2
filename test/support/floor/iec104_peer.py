"""IEC 60870-5-104 by c104."""

import time

import c104
from peers import Talk, free_port, listening, until_left


def serve():
    port = free_port()
    server = c104.Server(ip="127.0.0.1", port=port)
    station = server.add_station(common_address=47)
    measured = station.add_point(io_address=11, type=c104.Type.M_ME_NC_1)
    measured.value = 7.0
    station.add_point(io_address=12, type=c104.Type.C_SC_NA_1)
    station.add_point(io_address=13, type=c104.Type.C_SE_NC_1)
    server.start()
    listening(port)
    until_left()
    server.stop()


def ask(port):
    client = c104.Client()
    connection = client.add_connection(ip="127.0.0.1", port=port, init=c104.Init.INTERROGATION)
    station = connection.add_station(common_address=47)
    measured = station.add_point(io_address=11, type=c104.Type.M_ME_NC_1)
    switch = station.add_point(io_address=12, type=c104.Type.C_SC_NA_1)
    setpoint = station.add_point(io_address=13, type=c104.Type.C_SE_NC_1)
    client.start()
    for _ in range(200):
        if connection.is_connected and measured.value == 7.0:
            break
        time.sleep(0.05)

    def read():
        return [connection.interrogation(47), measured.read(), measured.value]

    talk = Talk(read)
    switch.value = True
    setpoint.value = 5.5
    talk.attempt("command", lambda: switch.transmit(cause=c104.Cot.ACTIVATION))
    talk.attempt("setpoint", lambda: setpoint.transmit(cause=c104.Cot.ACTIVATION))
    switch.command_mode = c104.CommandMode.SELECT_AND_EXECUTE
    talk.attempt("select", lambda: switch.transmit(cause=c104.Cot.ACTIVATION))
    talk.attempt("clock", lambda: connection.clock_sync(47))
    talk.attempt("freeze", lambda: connection.counter_interrogation(47, freeze=c104.Frz.COUNTER_RESET))
    talk.told(test=connection.test(47))
    client.stop()
