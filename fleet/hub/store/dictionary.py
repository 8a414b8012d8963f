"""What telemetry looks like: the words that messages are made of, most frequent last.

Never change `FIRST`: payloads kept with it could not be read again.
"""

from typing import Final

_LATENCY: Final = (
    b'{"device":"pi-1","session":4294967297,"sent_unix_ns":1790000000000000000,"stages":[{"pipeline":'
    b'"detector","generation":1790000000,"stage":0,"instance":1,"counts":{"received":1,"run":1,"sent":1,'
    b'"received_bytes":1,"sent_bytes":1,"errors":{},"refused":{}},"histograms":{"queue":{"sum_ns":1,'
    b'"counts":{"10":1,"11":1,"12":1}},"decode":{"sum_ns":1,"counts":{"30":1}},"run":{"sum_ns":1,'
    b'"counts":{"110":1,"111":1,"112":1,"113":1,"114":1,"115":1,"116":1,"117":1,"118":1,"119":1,"120":1,'
    b'"121":1,"122":1,"123":1,"124":1,"125":1,"126":1,"127":1,"128":1}},"encode":{"sum_ns":1,"counts":'
    b'{"90":1,"91":1}},"send":{"sum_ns":1,"counts":{"100":1}}},"queued_frames":0,"suspect":[]}],"schema":1}'
)
_PROBLEMS: Final = (
    b'"healthy":false,"problems":[{"code":"device.hot","message":"","severity":"error","since_unix_ns":'
    b'17900000},{"code":"device.clock_unsynchronised","severity":"warning"},{"code":"device.disk_low"}]'
)
_WORKER: Final = b',{"generation":"1790000000","pipeline":"detector","stage":"0"}],["'
_PLAIN_NAMES: Final = (
    "network_link_bits_per_second", "network_signal_dbm", "cooling_ratio", "throttle_events_total",
    "clock_synchronised_flag", "clock_impossible_flag", "gpu_busy_ratio", "gpu_frequency_hertz",
    "memory_frequency_hertz", "power_mode_number", "power_rail_volts", "power_rail_watts",
    "coral_alive_flag", "coral_celsius", "coral_limit_celsius", "coral_link_bits_per_second",
    "probe_seconds", "probe_failures_total", "control_refused_total", "disk_lifetime_written_bytes",
    "disk_life_used_ratio", "disk_spare_used_ratio", "disk_total_bytes", "disk_free_bytes",
    "disk_written_bytes", "cpu_busy_ratio", "cpu_cores_total", "cpu_agent_seconds",
    "memory_total_bytes", "memory_available_bytes", "memory_agent_bytes", "swap_total_bytes",
    "swap_free_bytes",
)  # fmt: skip
_LABELLED: Final = (
    b'["load_average_tasks",0.0,{"minutes":"1"}],["load_average_tasks",0.0,{"minutes":"15"}],["'
    b'cpu_frequency_hertz",1800000000.0,{}],["throttled_flag",0.0,{"kind":"frequency","span":"now"}],["'
    b'throttled_flag",0.0,{"kind":"undervoltage","span":"occurred"}],["throttled_flag",0.0,{"kind":'
    b'"throttled","span":"now"}],["network_received_bytes",1.0,{"interface":"wlan0"}],["network_sent_bytes"'
    b',1.0,{"interface":"eth0"}],["network_errors_total",0.0,{"interface":"eth0"}],["network_dropped_total"'
    b',0.0,{"interface":"eth0"}],["network_carrier_flag",1.0,{"interface":"eth0"}],["thermal_celsius",50.0,'
    b'{"number":"0","zone":"cpu-thermal"}],["thermal_limit_celsius",110.0,{"number":"0","zone":'
    b'"gpu-thermal"}],["'
)
_HEALTH: Final = (
    b'{"device":"pi-1","session":4294967297,"sent_unix_ns":1790000000000000000,"healthy":true,'
    b'"readings":[["'
)
FIRST: Final = b"".join((
    _LATENCY,
    _PROBLEMS,
    *(f'{name}",0.0,{{}}],["'.encode() for name in _PLAIN_NAMES),
    _LABELLED,
    *(
        name.encode() + b'",0.0' + _WORKER
        for name in (
            "worker_resident_bytes", "worker_private_bytes", "worker_cpu_seconds",
            "worker_cpu_ratio",
        )
    ),
    b'],"problems":[],"dropped_readings":0,"schema":1}',
    _HEALTH,
))  # fmt: skip
