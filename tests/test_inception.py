"""Inception-v3 of the Frechet distance: its size, and the pooling in which it differs from torchvision's."""

import torch
import torch.nn.functional as F

from plainsight import inception


def test_it_has_the_layers_of_the_published_weights():
    """The published file has 566 tensors, 1,008 classes and 2,048 features."""
    with torch.device("meta"):
        network = inception.Inception()
    assert len(network.state_dict()) == 566 and network.classifier.weight.shape == (1008, 2048)


def test_averages_leave_the_padding_out():
    block = inception._A(4, 3).eval()
    block.branch_pool.bn.running_var.fill_(1 - block.branch_pool.bn.eps)
    image = torch.ones(1, 4, 5, 5)
    with torch.no_grad():
        pooled = block(image)[:, -3:]
    # Of ones the average is one everywhere; with the padding it would be 4/9 in the corners.
    expected = F.relu(block.branch_pool.conv.weight.sum(dim=(1, 2, 3)))
    assert torch.allclose(pooled, expected[None, :, None, None].expand(1, 3, 5, 5), atol=1e-5)


def test_the_last_block_takes_maxima():
    block = inception._EMax(2).eval()
    image = torch.zeros(1, 2, 5, 5)
    image[..., 2, 2] = 1
    with torch.no_grad():
        pooled = block(image)[:, -192:]
    inside = pooled[:, :, 1:4, 1:4]
    assert torch.equal(inside, inside[..., 1:2, 1:2].expand_as(inside)) and inside.max() > 0
    assert pooled[:, :, 0].abs().max() == 0


def test_images_of_any_size_give_2048_features():
    network = inception.Inception().eval()
    with torch.no_grad():
        assert network.features2(torch.zeros(1, 3, 64, 64)).shape == (1, 2048)
