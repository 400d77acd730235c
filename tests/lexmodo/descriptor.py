"""The customers service's messages, made at run time from a table of their fields.

No `.proto` file is read: what the program under test compiled from its own must fit what is written here.
"""

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, wrappers_pb2

PACKAGE = "lexmodo.v1.customers"
SERVICE = f"{PACKAGE}.Customers"

_FIELD = descriptor_pb2.FieldDescriptorProto
_SCALARS = {"string": _FIELD.TYPE_STRING, "uint32": _FIELD.TYPE_UINT32, "bool": _FIELD.TYPE_BOOL}
_WRAPPED = ".google.protobuf.StringValue"

# Message: its fields as (number, name, type); "repeated " before a type says so.
_MESSAGES = {
    "CustomerIdRequest": [(1, "customer_id", "string")],
    "CustomerListing": [
        (2, "page_num", "uint32"),
        (3, "total_result", "uint32"),
        (4, "display_result", "uint32"),
        (5, "customer_listing", f"repeated .{PACKAGE}.CustomerInfo"),
        (6, "rule_id", "string"),
        (7, "rule_query", "string"),
        (9, "pit", "string"),
    ],
    "CustomerInfo": [
        (1, "customer_id", "string"),
        (2, "customer_first_name", _WRAPPED),
        (3, "customer_last_name", _WRAPPED),
        (5, "customer_email", _WRAPPED),
        (8, "customer_phone_number", _WRAPPED),
        (14, "customer_full_name", _WRAPPED),
        # Not in the documented contract: the platform knows more of a customer than its plugins do.
        (30, "customer_company", _WRAPPED),
    ],
    "ResultResponse": [
        (1, "success", "bool"),
        (2, "failure", "bool"),
        (3, "code", "string"),
        (4, "message", "string"),
        (5, "customer", f".{PACKAGE}.CustomerInfo"),
        (7, "customers_listing", f".{PACKAGE}.CustomerListing"),
    ],
}

_METHODS = {
    "GetCustomerByID": ("CustomerIdRequest", "ResultResponse"),
    "GetCustomerListing": ("CustomerListing", "ResultResponse"),
}


def _add_field(message, number, name, kind):
    field = message.field.add(name=name, number=number, label=_FIELD.LABEL_OPTIONAL)
    if kind.startswith("repeated "):
        field.label = _FIELD.LABEL_REPEATED
        kind = kind[len("repeated "):]
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type, field.type_name = _FIELD.TYPE_MESSAGE, kind


def _file():
    made = descriptor_pb2.FileDescriptorProto(
        name="lexmodo/v1/customers.proto",
        package=PACKAGE,
        syntax="proto3",
        dependency=["google/protobuf/wrappers.proto"],
    )
    for name, fields in _MESSAGES.items():
        message = made.message_type.add(name=name)
        for number, field, kind in fields:
            _add_field(message, number, field, kind)
    service = made.service.add(name="Customers")
    for name, (request, response) in _METHODS.items():
        service.method.add(
            name=name, input_type=f".{PACKAGE}.{request}", output_type=f".{PACKAGE}.{response}"
        )
    return made


def descriptor_set():
    """The FileDescriptorSet, imports first."""
    wrappers = descriptor_pb2.FileDescriptorProto.FromString(wrappers_pb2.DESCRIPTOR.serialized_pb)
    return descriptor_pb2.FileDescriptorSet(file=[wrappers, _file()])


def _pool():
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_set().file:
        pool.Add(file)
    return pool


POOL = _pool()


def _message(name):
    return message_factory.GetMessageClass(POOL.FindMessageTypeByName(f"{PACKAGE}.{name}"))


CustomerIdRequest = _message("CustomerIdRequest")
CustomerInfo = _message("CustomerInfo")
CustomerListing = _message("CustomerListing")
ResultResponse = _message("ResultResponse")
