"""`tenure demo --cluster`: three processes that are their own cluster, and what happens to clusters.

links    the ways between the nodes, which can be parted
member   one process: a node, and a candidate who books payments whenever it leads
script   the accidents: killed, frozen, parted, restarted one after the other
show     all of it, from the introduction to the verdict
"""
