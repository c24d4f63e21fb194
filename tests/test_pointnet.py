from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from pc_align.encoders import PointNet


def numpy_shared_mlp(layers: nn.Sequential, rows: np.ndarray) -> np.ndarray:
    """Rows [n, C] through linear/convolution, batch normalisation with running statistics, and ReLU, one by one."""
    for layer in layers.modules():
        if isinstance(layer, (nn.Conv1d, nn.Linear)):
            weight = layer.weight.detach().double().numpy().reshape(layer.weight.shape[0], -1)
            rows = rows @ weight.T + (0 if layer.bias is None else layer.bias.detach().double().numpy())
        elif isinstance(layer, nn.BatchNorm1d):
            mean, var = layer.running_mean.double().numpy(), layer.running_var.double().numpy()
            scale, shift = layer.weight.detach().double().numpy(), layer.bias.detach().double().numpy()
            rows = (rows - mean) / np.sqrt(var + layer.eps) * scale + shift
        elif isinstance(layer, nn.ReLU):
            rows = np.maximum(rows, 0)
    return rows


def numpy_tnet(tnet: nn.Module, rows: np.ndarray) -> np.ndarray:
    pooled = numpy_shared_mlp(tnet.point_mlp, rows).max(axis=0, keepdims=True)
    return numpy_shared_mlp(tnet.head, pooled).reshape(tnet.width, tnet.width) + np.eye(tnet.width)


def numpy_pointnet(net: PointNet, cloud: np.ndarray) -> np.ndarray:
    """The paper's network for one cloud [N, C], point by point in NumPy."""
    if net.input_tnet is not None:
        cloud = np.concatenate([cloud[:, :3] @ numpy_tnet(net.input_tnet, cloud[:, :3]).T, cloud[:, 3:]], axis=1)
    local = numpy_shared_mlp(net.local_mlp, cloud)
    if net.feature_tnet is not None:
        local = local @ numpy_tnet(net.feature_tnet, local).T
    pooled = numpy_shared_mlp(net.global_mlp, local).max(axis=0, keepdims=True)
    return numpy_shared_mlp(net.head, pooled)[0]


def trained_like(net: PointNet) -> PointNet:
    """Random weights, statistics and transforms, so that nothing is accidentally zero or one."""
    generator = torch.Generator().manual_seed(1)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.running_mean.normal_(generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
            module.weight.data.uniform_(0.5, 2, generator=generator)
            module.bias.data.normal_(generator=generator)
    for tnet in (net.input_tnet, net.feature_tnet):
        if tnet is not None:
            tnet.head[1].weight.data.normal_(0, 0.01, generator=generator)
    return net.double().eval()


@pytest.mark.parametrize("channels", [3, 6])
@pytest.mark.parametrize("transforms", [(False, False), (True, False), (True, True)])
def test_equals_the_network_written_in_numpy(channels: int, transforms: tuple[bool, bool]) -> None:
    net = PointNet(channels, 16, input_transform=transforms[0], feature_transform=transforms[1])
    net = trained_like(net)
    clouds = torch.randn(3, 50, channels, dtype=torch.float64)
    out = net(clouds).detach().numpy()
    assert out.shape == (3, 16)
    for cloud, row in zip(clouds.numpy(), out, strict=True):
        np.testing.assert_allclose(row, numpy_pointnet(net, cloud), rtol=1e-9, atol=1e-9)


def test_the_order_and_the_repetition_of_points_do_not_matter() -> None:
    net = trained_like(PointNet(3, 8, input_transform=True, feature_transform=True))
    clouds = torch.randn(2, 40, 3, dtype=torch.float64)
    expected = net(clouds)
    torch.testing.assert_close(net(clouds[:, torch.randperm(40)]), expected)
    torch.testing.assert_close(net(torch.cat([clouds, clouds[:, :7]], dim=1)), expected)


def test_transforms_begin_as_the_identity() -> None:
    plain, with_transforms = PointNet(3, 8), PointNet(3, 8, input_transform=True, feature_transform=True)
    with_transforms.load_state_dict(plain.state_dict(), strict=False)
    clouds = torch.randn(4, 30, 3)
    torch.testing.assert_close(with_transforms.eval()(clouds), plain.eval()(clouds))


def test_the_orthogonality_term_is_the_papers() -> None:
    net = trained_like(PointNet(3, 8, feature_transform=True))
    clouds = torch.randn(3, 30, 3, dtype=torch.float64)
    net(clouds)
    expected = []
    for cloud in clouds.numpy():
        matrix = numpy_tnet(net.feature_tnet, numpy_shared_mlp(net.local_mlp, cloud))
        expected.append(np.square(np.eye(64) - matrix @ matrix.T).sum())
    assert net.regularization.item() == pytest.approx(np.mean(expected), rel=1e-4)


def test_gradients_reach_every_parameter() -> None:
    net = PointNet(5, 8, input_transform=True, feature_transform=True)
    net(torch.randn(4, 20, 5)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())


def test_small_clouds_and_single_clouds() -> None:
    net = PointNet(3, 8)
    assert net(torch.randn(2, 1, 3)).shape == (2, 8)
    assert net.eval()(torch.randn(1, 1, 3)).shape == (1, 8)
    assert torch.isfinite(net(torch.zeros(2, 10, 3))).all()
    with pytest.raises(ValueError, match="more than 1 value"):
        net.train()(torch.randn(1, 10, 3))


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(ValueError, match="in_channels"):
        PointNet(in_channels=2)
    for wrong in (torch.randn(2, 3, 10), torch.randn(10, 3)):
        with pytest.raises(ValueError, match=r"\[B, N, 3\]"):
            PointNet()(wrong)


def test_bf16_autocast_is_close() -> None:
    net = PointNet(3, 16).eval()
    clouds = torch.randn(2, 100, 3)
    with torch.autocast("cpu", torch.bfloat16):
        low = net(clouds)
    assert torch.cosine_similarity(low.float(), net(clouds), dim=1).min() > 0.99
