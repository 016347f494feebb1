module lasthop.test/clients

go 1.24
