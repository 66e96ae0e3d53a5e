"""The servicer of ``cagnotte.wallet.v1.PaymentMethodService``."""

from typing import Any, TypeAlias
from uuid import UUID

import grpc

from cagnotte.wallet.v1 import payment_method_service_pb2 as pb
from cagnotte.wallet.v1 import payment_method_service_pb2_grpc, wallet_pb2
from services.common.runtime.identity import current_caller
from services.wallet.codec.payment_method import render_method, render_methods
from services.wallet.usecases.payment_methods import MethodView, PaymentMethods

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


class PaymentMethodServicer(payment_method_service_pb2_grpc.PaymentMethodServiceServicer):
    """Translate; decide nothing."""

    def __init__(self, methods: PaymentMethods) -> None:
        """Take what shoppers may do with cards."""
        self._methods = methods

    async def CreateEnrolment(
        self, request: pb.CreateEnrolmentRequest, context: Context
    ) -> pb.CreateEnrolmentResponse:
        """Prepare an enrolment at the provider."""
        enrolment = await self._methods.begin_enrolment(
            UUID(request.request_id), caller=current_caller()
        )
        return pb.CreateEnrolmentResponse(
            provider_reference=enrolment.provider_reference,
            client_secret=enrolment.client_secret,
        )

    async def ConfirmEnrolment(
        self, request: pb.ConfirmEnrolmentRequest, context: Context
    ) -> pb.ConfirmEnrolmentResponse:
        """Take over the method of an enrolment that succeeded."""
        view = await self._methods.finish_enrolment(
            request.provider_reference, caller=current_caller()
        )
        return pb.ConfirmEnrolmentResponse(payment_method=_render(view))

    async def ListPaymentMethods(
        self, request: pb.ListPaymentMethodsRequest, context: Context
    ) -> pb.ListPaymentMethodsResponse:
        """List the caller's methods."""
        shopper = await self._methods.shopper(caller=current_caller())
        return pb.ListPaymentMethodsResponse(payment_methods=render_methods(shopper))

    async def SetDefaultPaymentMethod(
        self, request: pb.SetDefaultPaymentMethodRequest, context: Context
    ) -> pb.SetDefaultPaymentMethodResponse:
        """Use a method when none is named."""
        view = await self._methods.set_default(
            UUID(request.payment_method_id), caller=current_caller()
        )
        return pb.SetDefaultPaymentMethodResponse(payment_method=_render(view))

    async def DetachPaymentMethod(
        self, request: pb.DetachPaymentMethodRequest, context: Context
    ) -> pb.DetachPaymentMethodResponse:
        """Remove a method, here and at the provider."""
        await self._methods.detach(UUID(request.payment_method_id), caller=current_caller())
        return pb.DetachPaymentMethodResponse()


def _render(view: MethodView) -> wallet_pb2.PaymentMethod:
    method = view.shopper.find(view.payment_method_id)
    assert method is not None, "the answer is about a method that is there"
    return render_method(method, view.shopper)
