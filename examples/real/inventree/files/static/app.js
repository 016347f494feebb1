let part
