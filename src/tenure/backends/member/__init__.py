"""The backend of applications that are members of their own group: the node's own authority elects.

notes      what nodes say to one another about elections
board      what is known of them
authority  the rules: an elector's authority as grants
asking     what nodes ask one another
held       a candidate, and its grant
backend    `MemberBackend`, on the keeper's loop
"""

from tenure.backends.member.asking import Authority
from tenure.backends.member.backend import MemberBackend, MemberGrant

__all__ = ["Authority", "MemberBackend", "MemberGrant"]
